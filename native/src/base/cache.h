/**
 * @file cache.h
 * @brief The free blocks that a thread keeps for itself: a cache, with a magazine for each size class.
 *
 * Blocks are taken from the active chain of a magazine and put back to it. The spare chain is full or absent.
 * There are two chains so that a thread that alternates around the end of one does not visit the depot each
 * time.
 *
 * A thread may free a block of another thread: the block joins the magazine of the thread that frees it.
 *
 * Memory order: a magazine belongs to its thread and needs no order. Chains change threads through a depot,
 * whose mutex orders them. The counts of a magazine have one writer, its thread, and are relaxed: others add
 * them up.
 *
 * Functions that take a cache are called by its thread. All others may be called by any thread.
 */
#ifndef ENETJS_CACHE_H
#define ENETJS_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/depot.h"
#include "base/threads.h"

struct enetjs_magazine {
  struct enetjs_block *active;
  struct enetjs_block *spare;   /* holds `limit` blocks, or is NULL */
  _Atomic uint32_t count;       /* blocks of the active chain */
  _Atomic uint32_t spare_count; /* blocks of the spare chain, for threads that may not look at it */
  uint32_t limit;
  uint32_t block_bytes;
};

struct enetjs_cache {
  size_t charged;                 /* bytes that the account has yet to be charged for */
  uint32_t account_id;            /* of the account, or 0 */
  struct enetjs_account *account; /* charged for what the thread allocates, or NULL */
  size_t sparse;                  /* the thread's next block of this size is sparse; 0 for none */
  size_t sparse_written;          /* bytes that are written into that block at once */
  uint32_t trims;                 /* trims of the pool that the thread has noticed */
#ifdef ENETJS_PLAIN_BLOCKS
  _Atomic int64_t plain_blocks; /* taken by the thread, less those that it has freed */
  _Atomic int64_t plain_bytes;
#endif
  struct enetjs_magazine magazines[ENETJS_BLOCK_CLASSES];
  struct enetjs_cache *previous;
  struct enetjs_cache *next;
};

/**
 * The cache of the calling thread, or NULL before its first allocation, at its exit, and when memory was out.
 */
extern ENETJS_THREAD_LOCAL struct enetjs_cache *enetjs_own_cache;

/**
 * Once, before anything else here but enetjs_cache_enter, which calls it. Calls after the first do nothing.
 */
void enetjs_caches_initialize(void);

/**
 * Never fails: a thread that can have no cache gets the shared one, under a lock that enetjs_cache_leave
 * releases.
 * @returns a cache that the calling thread may use until then
 */
struct enetjs_cache *enetjs_cache_enter(void);
void enetjs_cache_leave(struct enetjs_cache *cache);
/** Whether threads without a cache of their own use it. */
bool enetjs_cache_is_shared(const struct enetjs_cache *cache);

/** Gives a magazine without an active chain one. @returns false when memory is out */
bool enetjs_cache_refill(struct enetjs_cache *cache, unsigned index);
/** Makes a full active chain the spare one. */
void enetjs_cache_spill(struct enetjs_cache *cache, unsigned index);
/** Moves all blocks of the cache to the depots. */
void enetjs_cache_flush(struct enetjs_cache *cache);

/**
 * Counts the blocks of each class that lie in no depot and in no magazine. While other threads allocate and
 * free, it may count a block twice.
 */
void enetjs_caches_live(size_t live[ENETJS_BLOCK_CLASSES]);

#ifdef ENETJS_PLAIN_BLOCKS
/** Counts blocks of another allocator, of the threads that have a cache. */
void enetjs_caches_plain(uint64_t *blocks, uint64_t *bytes);
#endif

/* ---- Called for every block ------------------------------------------------------------------ */

static inline uint32_t enetjs_magazine_count(struct enetjs_magazine *magazine) {
  return atomic_load_explicit(&magazine->count, memory_order_relaxed);
}

static inline void enetjs_magazine_set_count(struct enetjs_magazine *magazine, uint32_t count) {
  atomic_store_explicit(&magazine->count, count, memory_order_relaxed);
}

/** Takes a block; the active chain has one. @returns what the caller of the pool gets */
static inline void *enetjs_magazine_take(struct enetjs_cache *cache, struct enetjs_magazine *magazine) {
  struct enetjs_block *block = magazine->active;
  magazine->active = block->next;
  enetjs_magazine_set_count(magazine, enetjs_magazine_count(magazine) - 1);
  block->account = cache->account_id;
  cache->charged += magazine->block_bytes; /* without an account, nothing reads it */
  return block + 1;
}

/**
 * Puts a block back; the active chain is not full. The account comes last, so that its rare call saves no
 * registers.
 */
static inline void enetjs_magazine_give(struct enetjs_magazine *magazine, struct enetjs_block *block) {
  uint32_t account_id = block->account;
  block->next = magazine->active;
  magazine->active = block;
  enetjs_magazine_set_count(magazine, enetjs_magazine_count(magazine) + 1);
  if (account_id) enetjs_account_subtract(enetjs_account_of(account_id), magazine->block_bytes);
}

#endif
