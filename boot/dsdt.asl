/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of a lodge guest that can't be found by probing.
 * Source: ACPI 6.3, chapters 5.6.9 (generic event device), 6.1, 6.2.11 (_OSC), 6.4; PCI Firmware
 * Specification 3.2, 4.5 (_OSC of a host bridge) and 4.1.2 (MCFG). Addresses: docs/boot.md.
 */
DefinitionBlock ("", "DSDT", 2, "LODGE ", "LODGE DT", 0x00000001)
{
    Scope (\_SB)
    {
        // The one PCI bus. It has no legacy interrupts (no _PRT): devices use MSI-X.
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_SEG, Zero)
            Name (_BBN, Zero)
            Name (_UID, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                    0x0000, 0x0000, 0x0000, 0x0000, 0x0001)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0x00000000, 0xC0000000, 0xDFFFFFFF, 0x00000000, 0x20000000)
                QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0x0000000000000000, 0x0000004000000000, 0x0000004FFFFFFFFF,
                    0x0000000000000000, 0x0000001000000000)
            })

            // The guest may have every PCIe service it asks for: none of the devices has one, so
            // there is nothing for firmware to keep.
            Method (_OSC, 4, NotSerialized)
            {
                CreateDWordField (Arg3, Zero, CDW1)
                If ((Arg0 == ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766")))
                {
                    If ((Arg1 != One))
                    {
                        CDW1 |= 0x08 // unknown revision
                    }
                }
                Else
                {
                    CDW1 |= 0x04 // unknown UUID
                }
                Return (Arg3)
            }
        }

        // The configuration space isn't free for devices.
        Device (ECAM)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_UID, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xE0000000, 0x00100000)
            })
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, One)
            Name (_STA, 0x0F)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F8, 0x03F8, 0x01, 0x08)
                Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 4 }
            })
        }

        // A clock without alarms, and so without an interrupt.
        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0070, 0x0070, 0x01, 0x02)
            })
        }

        // Where a guest says that it panicked: QEMU, docs/specs/pvpanic.
        Device (PEVT)
        {
            Name (_HID, "QEMU0001")
            Name (_STA, 0x0F)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0505, 0x0505, 0x01, 0x01)
            })
        }

        Device (PWRB)
        {
            Name (_HID, EisaId ("PNP0C0C"))
        }

        // The one event there is, on pin 5: somebody pressed the power button.
        Device (GED)
        {
            Name (_HID, "ACPI0013")
            Name (_UID, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 5 }
            })
            Method (_EVT, 1, Serialized)
            {
                If ((Arg0 == 0x05))
                {
                    Notify (PWRB, 0x80)
                }
            }
        }
    }

    Name (_S5, Package (0x04) { 0x05, Zero, Zero, Zero })
}
