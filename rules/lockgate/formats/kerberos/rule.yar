// A keytab of version 5.2 whose first entry, of less than 64 KiB, has one to nine components; a
// credential cache of version 5.4 with the header of its time offset, or an empty one.
rule kerberos_store
{
  strings:
    $keytab = { 05 02 00 00 ?? ?? 00 0? 00 }
    $ccache = { 05 04 00 ( 00 | 0C ) 00 0? 00 }
  condition:
    $keytab at 0 or $ccache at 0
}
