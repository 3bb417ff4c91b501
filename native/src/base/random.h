/**
 * @file random.h
 * @brief Numbers that a stranger cannot guess. Any thread may call it.
 */
#ifndef ENETJS_RANDOM_H
#define ENETJS_RANDOM_H

#include <stddef.h>

/** Fills `out` from the operating system's random source; ends the process where the system has none. */
void enetjs_random(void *out, size_t bytes);

#endif
