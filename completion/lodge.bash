# SPDX-License-Identifier: Apache-2.0
# Completion of lodge for bash.

_lodge_names() {
	lodge ps 2>/dev/null | awk 'NR > 1 { print $1 }'
}

# The value that belongs to an option; returns 1 if the option takes none.
_lodge_value() {
	local word=$1 verb=$2
	case $word in
	-k | --kernel | -i | --initrd | -f | --config)
		# -k of doctor takes no value
		[[ $verb == run ]] || return 1
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	-c | --cpus) mapfile -t COMPREPLY < <(compgen -W '1 2 4 8' -- "$cur") ;;
	-m | --memory) mapfile -t COMPREPLY < <(compgen -W '256M 512M 1G 2G 4G' -- "$cur") ;;
	-g | --guarantee) mapfile -t COMPREPLY < <(compgen -W '0 128M 256M 512M 1G' -- "$cur") ;;
	-w | --weight) mapfile -t COMPREPLY < <(compgen -W '10 50 100 200 1000' -- "$cur") ;;
	--cpu-limit) mapfile -t COMPREPLY < <(compgen -W 'none 50% 100% 150% 200%' -- "$cur") ;;
	--zswap-limit) mapfile -t COMPREPLY < <(compgen -W 'none 0 64M 256M' -- "$cur") ;;
	--fits) mapfile -t COMPREPLY < <(compgen -W '256M 512M 1G 2G 4G' -- "$cur") ;;
	-s | --sort)
		mapfile -t COMPREPLY < <(compgen -W 'name state cpu vcpu size resident private cache merged swapped balloon \
			reported untouched overhead swap-in swap-out faults free available age' -- "$cur")
		;;
	--interval) mapfile -t COMPREPLY < <(compgen -W '0.5 1 2 5 10' -- "$cur") ;;
	-b | --boot) mapfile -t COMPREPLY < <(compgen -W 'auto unpack direct' -- "$cur") ;;
	-r | --on-reset)
		# -r of top takes no value
		[[ $verb == run ]] || return 1
		mapfile -t COMPREPLY < <(compgen -W 'restart stop' -- "$cur")
		;;
	--backing) mapfile -t COMPREPLY < <(compgen -W 'anon memfd hugetlb' -- "$cur") ;;
	--thp) mapfile -t COMPREPLY < <(compgen -W 'always madvise never' -- "$cur") ;;
	--balloon) mapfile -t COMPREPLY < <(compgen -W 'all none plain stats deflate-on-oom reporting hinting poison' -- "$cur") ;;
	-e | --escape) mapfile -t COMPREPLY < <(compgen -W '^] ^A none' -- "$cur") ;;
	-p | --plot)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	-P | --policy) mapfile -t COMPREPLY < <(compgen -W 'lodge mom' -- "$cur") ;;
	--tax) mapfile -t COMPREPLY < <(compgen -W '0 25 50 75 90' -- "$cur") ;;
	-t | --timeout) mapfile -t COMPREPLY < <(compgen -W '0 10 30 60' -- "$cur") ;;
	-n | --name)
		# -n of set is --no-wait
		[[ $verb == run ]] || return 1
		COMPREPLY=()
		;;
	-a | --append)
		# -a of other verbs is --all
		[[ $verb == run ]] || return 1
		COMPREPLY=()
		;;
	*) return 1 ;;
	esac
}

_lodge() {
	local verbs='run ps top show explain set balloon console stop kill pause resume wait host simulate doctor help version'
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} options=''
	local verb=${COMP_WORDS[1]}

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$verbs --help --version" -- "$cur")
		return
	fi
	# "--option=value" comes as three words.
	if [[ $cur == '=' ]]; then
		cur=''
	elif [[ $prev == '=' ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	_lodge_value "$prev" "$verb" && return

	case $verb in
	run) options='--kernel --initrd --name --cpus --memory --guarantee --weight --cpu-limit --zswap-limit --best-effort --append --boot --on-reset --backing --thp --lock --prefault --merge --balloon --config --escape --detach --help' ;;
	ps) options='--json --help' ;;
	top) options='--once --json --sort --reverse --interval --help' ;;
	show) options='--json --all --help' ;;
	explain) options='--json --all --help' ;;
	set) options='--no-wait --help' ;;
	balloon) options='--json --hints --help' ;;
	console) options='--escape --help' ;;
	stop) options='--timeout --all --help' ;;
	kill) options='--all --help' ;;
	pause) options='--all --help' ;;
	resume) options='--all --help' ;;
	wait) options='--help' ;;
	host) options='--json --fits --help' ;;
	simulate) options='--json --plot --policy --tax --help' ;;
	doctor) options='--json --probe-kvm --help' ;;
	help) options='--help' ;;
	version) options='--help' ;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
	fi
	case $verb in
	set)
		# The name, and then the keys; what is behind "=" is the user's.
		if ((COMP_CWORD == 2)); then
			mapfile -t COMPREPLY < <(compgen -W "$(_lodge_names)" -- "$cur")
		elif [[ ${COMP_WORDS[COMP_CWORD]} != '=' && ${COMP_WORDS[COMP_CWORD - 1]} != '=' ]]; then
			compopt -o nospace
			mapfile -t COMPREPLY < <(compgen -W 'guarantee= memory-limit= weight= cpu-limit= zswap-limit= balloon= reclaim=' -- "$cur")
		fi
		;;
	show | explain | balloon | console | stop | kill | pause | resume | wait)
		mapfile -t COMPREPLY < <(compgen -W "$(_lodge_names)" -- "$cur")
		;;
	simulate)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	help) mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur") ;;
	esac
}

complete -F _lodge lodge
