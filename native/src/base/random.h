/**
 * @file random.h
 * @brief Bytes that no stranger can predict, from the operating system.
 */
#ifndef ENETJS_RANDOM_H
#define ENETJS_RANDOM_H

#include <stddef.h>

/**
 * Fills `out`. Any thread may call. Never fails: it aborts the process where the system has no random source.
 */
void enetjs_random(void *out, size_t bytes);

#endif
