/**
 * @file shared_library.h
 * @brief Loads a library at run time, by the name of its file. Any thread may call.
 */
#ifndef ENETJS_SHARED_LIBRARY_H
#define ENETJS_SHARED_LIBRARY_H

/**
 * A file beside this library comes before the system's.
 * @returns NULL where there is none that can be loaded
 */
void *enetjs_shared_library_open(const char *name);

/** @returns NULL when the library has no such symbol */
void *enetjs_shared_library_symbol(void *library, const char *name);

#endif
