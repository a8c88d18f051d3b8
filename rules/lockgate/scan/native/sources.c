/* Which sources the library was made from, so that the loader can tell an old one. */

const char *lockgate_sources(void);

const char *lockgate_sources(void)
{
    return LOCKGATE_SOURCES;
}
