/**
 * @file random.h
 * @brief Bytes that nobody can predict, from the operating system.
 */
#ifndef ENETJS_RANDOM_H
#define ENETJS_RANDOM_H

#include <stddef.h>

/** Fills `out`. Any thread may call it; it does not fail, for without the source the process is ended. */
void enetjs_random(void *out, size_t bytes);

#endif
