/**
 * @file pool.h
 * @brief The memory pool behind ENet's malloc and free callbacks.
 *
 * Any thread may call, and any thread may free a block. What concerns an account (budget.h) is called with
 * the lock of the account's host held. pool.c tells how the pool works, and which files it has.
 */
#ifndef ENETJS_POOL_H
#define ENETJS_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"

/*
 * Counts of the whole process. Exact while other threads neither allocate nor free.
 *
 * reserved_bytes: taken from the system for blocks; what small blocks use is given back by a trim.
 * live_allocations: handed out and not yet freed.
 * live_bytes: the memory that they take, as enetjs_pool_cost counts it.
 */
struct enetjs_pool_stats {
  uint64_t reserved_bytes;
  uint64_t live_allocations;
  uint64_t live_bytes;
};

/*
 * Returns a block of at least `size` bytes (zero is allowed), aligned to 16, or NULL when memory is
 * out. The caller owns it until enetjs_pool_free.
 *
 * Built with ENETJS_SYSTEM_MALLOC, every block is a malloc of its own, so that AddressSanitizer
 * sees each use after free.
 */
void *enetjs_pool_malloc(size_t size);

/* Frees a block from enetjs_pool_malloc or enetjs_pool_block_take; NULL does nothing. */
void enetjs_pool_free(void *memory);

/*
 * Charges the account for what the calling thread allocates from now on, NULL for none. With the lock
 * of the account's host held, from here until the next call.
 */
void enetjs_pool_charge(struct enetjs_account *account);

/* Charges another account, or NULL for none, for a live block. With the host's lock held. */
void enetjs_pool_move(void *memory, struct enetjs_account *account);

/* @returns what an account is charged for a block of `size` bytes: the memory that it takes */
size_t enetjs_pool_cost(size_t size);

/*
 * Until the thread charges another account, its next block of exactly this size is sparse: the account is
 * charged for what is written into it at once, and for the rest when it is touched. It counts its sparse
 * blocks. To be called while an account is charged, with a size of at least ENETJS_SPARSE_MINIMUM.
 */
void enetjs_pool_expect_sparse(size_t size, size_t written);
#define ENETJS_SPARSE_MINIMUM ((size_t)64 * 1024)

/*
 * Charges the account of a sparse block for the pages of what is about to be written into it; does nothing
 * for other blocks. Pages that have been charged are charged again, but all together at most what another
 * block would cost. With the host's lock held.
 */
void enetjs_pool_touch(void *memory, size_t offset, size_t length);
/* @returns what that would charge */
size_t enetjs_pool_touch_cost(const void *memory, size_t offset, size_t length);
/*
 * @returns what a sparse block of `size` bytes is charged at first, when `length` of them are written at once
 */
size_t enetjs_pool_sparse_cost(size_t size, size_t length);

/* How often memory was out, since the beginning. */
unsigned enetjs_pool_failures(void);

#ifdef ENETJS_SYSTEM_MALLOC
/* For tests: how many calls of enetjs_pool_malloc until one fails; INT64_MAX for none. */
extern _Atomic int64_t enetjs_pool_test_countdown;
#endif

/* Whether a trim would give back much. Costs a few loads; a trim makes it false. */
bool enetjs_pool_slack(void);

/*
 * Gives unused memory back to the system, if that is much, and at most once a second. It
 * visits every free block, so it takes a tenth of a second after a flood. No other lock need be held.
 */
void enetjs_pool_trim(void);

/* Whether a trim would give back much, and is not too early. */
bool enetjs_pool_trim_due(void);

/* After a trim, empties the calling thread's magazines once, so that they keep nothing from the next. */
void enetjs_pool_relax(void);

/* Fills in `stats`. Takes locks and visits every thread's magazines: not for the hot path. */
void enetjs_pool_stats(struct enetjs_pool_stats *stats);

/* enetjs_pool_malloc, but out of the size classes even when built with ENETJS_SYSTEM_MALLOC. */
void *enetjs_pool_block_take(size_t size);

#endif
