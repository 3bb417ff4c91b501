/**
 * @file plain.h
 * @brief For the bench: small blocks of another allocator in place of the pool's size classes.
 *
 * ENETJS_ALLOCATOR in CMakeLists.txt chooses the allocator. Accounts are charged as ever. Each thread counts
 * its own blocks, because an atomic addition for every block would be part of what the bench measures. Such a
 * build does not ask its allocator to give memory back. Any thread may call.
 */
#ifndef ENETJS_PLAIN_H
#define ENETJS_PLAIN_H

#ifdef ENETJS_PLAIN_BLOCKS

#include "base/cache.h"
#include "base/charge.h"
#include "base/own_block.h"

static inline void enetjs_plain_count(struct enetjs_cache *cache, int64_t blocks, int64_t bytes) {
  int64_t all = atomic_load_explicit(&cache->plain_blocks, memory_order_relaxed);
  int64_t all_bytes = atomic_load_explicit(&cache->plain_bytes, memory_order_relaxed);
  atomic_store_explicit(&cache->plain_blocks, all + blocks, memory_order_relaxed);
  atomic_store_explicit(&cache->plain_bytes, all_bytes + bytes, memory_order_relaxed);
}

/** Whether a block of that size is a plain one when the calling thread takes it. */
static inline bool enetjs_plain_takes(size_t size) {
  return size <= ENETJS_BLOCK_LARGEST && enetjs_own_cache;
}

/** @returns what the caller of the pool gets, or NULL when memory is out */
static inline void *enetjs_plain_take(size_t size) {
  struct enetjs_cache *cache = enetjs_own_cache;
  struct enetjs_block *block = enetjs_plain_block_create(size);
  if (!block) return NULL;
  block->account = cache->account_id;
  cache->charged += size + ENETJS_OWN_BLOCK_OVERHEAD;
  enetjs_plain_count(cache, 1, (int64_t)(size + ENETJS_OWN_BLOCK_OVERHEAD));
  return block + 1;
}

static inline void enetjs_plain_give(struct enetjs_block *block) {
  struct enetjs_cache *cache = enetjs_cache_enter();
  size_t cost = block->size + ENETJS_OWN_BLOCK_OVERHEAD;
  enetjs_block_discharge(block, cost);
  enetjs_plain_count(cache, -1, -(int64_t)cost);
  enetjs_cache_leave(cache);
  enetjs_plain_block_destroy(block);
}

#endif
#endif
