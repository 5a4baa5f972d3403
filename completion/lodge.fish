# SPDX-License-Identifier: Apache-2.0
# Completion of lodge for fish.

function __lodge_names
    lodge ps 2>/dev/null | awk 'NR > 1 { print $1 }'
end

set -l verbs run ps top show explain set balloon console stop kill pause resume wait host simulate doctor help version

complete -c lodge -f
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -s h -l help -d 'Show the verbs'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -s V -l version -d 'Show the version'

complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a run -d 'Start a guest'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a ps -d 'List the guests'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a top -d 'Show the host and all guests live'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a show -d 'Show everything about guests'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a explain -d 'Say why guests have the memory that they have'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a set -d 'Change a running guest'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a balloon -d 'Show what guests have in their balloons'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a console -d "Connect to a guest's console"
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a stop -d 'Stop guests'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a kill -d 'End guests by force'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a pause -d 'Make guests stand still'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a resume -d 'Let paused guests go on'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a wait -d 'Wait until a guest ends'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a host -d "Show the host's memory"
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a simulate -d "Try the governor's policy on a modelled host"
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a doctor -d 'Say what this host offers and lacks'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a help -d 'Show the verbs, or the help of one'
complete -c lodge -n "not __fish_seen_subcommand_from $verbs" -a version -d 'Show the version'

complete -c lodge -n "__fish_seen_subcommand_from run" -s k -l kernel -r -F -d 'The kernel'
complete -c lodge -n "__fish_seen_subcommand_from run" -s i -l initrd -r -F -d 'The initial RAM disk'
complete -c lodge -n "__fish_seen_subcommand_from run" -s n -l name -x -d "The guest's name"
complete -c lodge -n "__fish_seen_subcommand_from run" -s c -l cpus -x -a '1 2 4 8' -d 'How many vCPUs'
complete -c lodge -n "__fish_seen_subcommand_from run" -s m -l memory -x -a '256M 512M 1G 2G 4G' -d 'Its RAM'
complete -c lodge -n "__fish_seen_subcommand_from run" -s g -l guarantee -x -a '0 128M 256M 512M 1G' -d "What is always in the host's RAM"
complete -c lodge -n "__fish_seen_subcommand_from run" -s w -l weight -x -a '10 50 100 200 1000' -d 'Its share of processors and disks'
complete -c lodge -n "__fish_seen_subcommand_from run" -l cpu-limit -x -a 'none 50% 100% 150% 200%' -d 'What it may use, in percent of one processor'
complete -c lodge -n "__fish_seen_subcommand_from run" -l zswap-limit -x -a 'none 0 64M 256M' -d 'What it may have compressed in zswap'
complete -c lodge -n "__fish_seen_subcommand_from run" -l best-effort -d 'Promise it nothing'
complete -c lodge -n "__fish_seen_subcommand_from run" -s a -l append -x -d "Added to the kernel's command line"
complete -c lodge -n "__fish_seen_subcommand_from run" -s b -l boot -x -a 'auto unpack direct' -d 'How the kernel is booted'
complete -c lodge -n "__fish_seen_subcommand_from run" -s r -l on-reset -x -a 'restart stop' -d 'What a reset does'
complete -c lodge -n "__fish_seen_subcommand_from run" -l backing -x -a 'anon memfd hugetlb' -d 'What its RAM is made of'
complete -c lodge -n "__fish_seen_subcommand_from run" -l thp -x -a 'always madvise never' -d 'Huge pages for its RAM'
complete -c lodge -n "__fish_seen_subcommand_from run" -l lock -d 'Never swap it'
complete -c lodge -n "__fish_seen_subcommand_from run" -l prefault -d 'Find memory for all of it before it starts'
complete -c lodge -n "__fish_seen_subcommand_from run" -l merge -d 'Let KSM merge its pages'
complete -c lodge -n "__fish_seen_subcommand_from run" -l balloon -x -a 'all none plain stats deflate-on-oom reporting hinting poison' -d 'Its memory balloon'
complete -c lodge -n "__fish_seen_subcommand_from run" -s f -l config -r -F -d 'The same as JSON'
complete -c lodge -n "__fish_seen_subcommand_from run" -s e -l escape -x -a '^] ^A none' -d "The console's escape key"
complete -c lodge -n "__fish_seen_subcommand_from run" -s d -l detach -d 'Leave it in the background'
complete -c lodge -n "__fish_seen_subcommand_from ps" -s j -l json -d 'As JSON'
complete -c lodge -n "__fish_seen_subcommand_from top" -s 1 -l once -d 'Print it once'
complete -c lodge -n "__fish_seen_subcommand_from top" -s j -l json -d 'As JSON'
complete -c lodge -n "__fish_seen_subcommand_from top" -s s -l sort -x -a 'name state cpu vcpu size resident private cache merged swapped balloon reported untouched overhead swap-in swap-out faults free available age' -d 'By what'
complete -c lodge -n "__fish_seen_subcommand_from top" -s r -l reverse -d 'The other way around'
complete -c lodge -n "__fish_seen_subcommand_from top" -s i -l interval -x -a '0.5 1 2 5 10' -d 'How often to look'
complete -c lodge -n "__fish_seen_subcommand_from show" -s j -l json -d 'As JSON'
complete -c lodge -n "__fish_seen_subcommand_from show" -s a -l all -d 'Every guest'
complete -c lodge -n "__fish_seen_subcommand_from explain" -s j -l json -d 'As JSON'
complete -c lodge -n "__fish_seen_subcommand_from explain" -s a -l all -d 'Every guest'
complete -c lodge -n "__fish_seen_subcommand_from set" -s n -l no-wait -d "Don't wait for the balloon"
complete -c lodge -n "__fish_seen_subcommand_from balloon" -s j -l json -d 'As JSON'
complete -c lodge -n "__fish_seen_subcommand_from balloon" -s H -l hints -d 'Ask which pages are free now'
complete -c lodge -n "__fish_seen_subcommand_from console" -s e -l escape -x -a '^] ^A none' -d 'The escape key'
complete -c lodge -n "__fish_seen_subcommand_from stop" -s t -l timeout -x -d 'Seconds before force'
complete -c lodge -n "__fish_seen_subcommand_from stop" -s a -l all -d 'Every guest'
complete -c lodge -n "__fish_seen_subcommand_from kill" -s a -l all -d 'Every guest'
complete -c lodge -n "__fish_seen_subcommand_from pause" -s a -l all -d 'Every guest'
complete -c lodge -n "__fish_seen_subcommand_from resume" -s a -l all -d 'Every guest'
complete -c lodge -n "__fish_seen_subcommand_from host" -s j -l json -d 'As JSON'
complete -c lodge -n "__fish_seen_subcommand_from host" -l fits -x -a '256M 512M 1G 2G 4G' -d 'How many more such guests fit'
complete -c lodge -n "__fish_seen_subcommand_from simulate" -s j -l json -d 'As JSON'
complete -c lodge -n "__fish_seen_subcommand_from simulate" -s p -l plot -r -F -d 'Draw it, as SVG'
complete -c lodge -n "__fish_seen_subcommand_from simulate" -s P -l policy -x -a 'lodge mom' -d 'Who governs'
complete -c lodge -n "__fish_seen_subcommand_from simulate" -s t -l tax -x -a '0 25 50 75 90' -d 'What lodge takes of idle memory, in percent'
complete -c lodge -n "__fish_seen_subcommand_from simulate" -F
complete -c lodge -n "__fish_seen_subcommand_from doctor" -s j -l json -d 'As JSON'
complete -c lodge -n "__fish_seen_subcommand_from doctor" -s k -l probe-kvm -d 'Only say whether KVM runs guests'
complete -c lodge -n "__fish_seen_subcommand_from $verbs" -s h -l help -d 'Show a short help'

complete -c lodge -n "__fish_seen_subcommand_from set" -a 'guarantee= memory-limit= weight= cpu-limit= zswap-limit= balloon= reclaim=' -d 'A key'
complete -c lodge -n "__fish_seen_subcommand_from show explain set balloon console stop kill pause resume wait" -a '(__lodge_names)'
complete -c lodge -n "__fish_seen_subcommand_from help" -a "$verbs"
