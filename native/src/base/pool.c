/*
 * The pool of blocks for ENet's many small, short-lived allocations: taking a block, and freeing it.
 *
 * What serves an allocation
 *   cache     The calling thread's own free blocks: no lock (cache.h).
 *   depot     The free blocks that no thread holds, in chains; slabs and size classes (depot.h).
 *   own block A block above the largest class is a malloc or a mapping of its own (own_block.h).
 * charge.c charges accounts for blocks, and trim.c gives memory back.
 *
 * Invariants: the header of a block says how it is freed, whichever thread does it. Locks are leaves: none is
 * taken while another is held, but for the exceptions that cache.c and trim.c name. A caller that hands a
 * block to another thread orders that itself.
 *
 * Any thread may call. Rare work stays out of enetjs_pool_malloc and enetjs_pool_free, so that they save no
 * registers.
 */
#include "base/pool.h"

#include "base/cache.h"
#include "base/charge.h"
#include "base/depot.h"
#include "base/own_block.h"
#include "base/plain.h"

/* ---- Blocks of no class ---------------------------------------------------------------------- */

/* The account that the calling thread charges, or NULL. */
static struct enetjs_account *account_charged(void) {
  struct enetjs_cache *cache = enetjs_cache_enter();
  struct enetjs_account *account = cache->account;
  enetjs_cache_leave(cache);
  return account;
}

static struct enetjs_block *own_create(size_t size) {
  struct enetjs_cache *cache = enetjs_own_cache;
  if (!cache || size == 0 || cache->sparse != size) return enetjs_own_block_create(size);
  cache->sparse = 0;
  return enetjs_own_block_create_sparse(size, cache->sparse_written);
}

static void *own_take(size_t size) {
  struct enetjs_block *block = own_create(size);
  if (!block) return NULL;
  enetjs_block_charge(block, account_charged());
  return block + 1;
}

static void own_give(struct enetjs_block *block) {
  enetjs_block_discharge(block, enetjs_block_cost(block));
  enetjs_own_block_destroy(block);
}

/* ---- Taking ---------------------------------------------------------------------------------- */

static ENETJS_NOINLINE void *take_slow(size_t size) {
  struct enetjs_cache *cache;
  void *memory = NULL;
  unsigned index;
  if (size > ENETJS_BLOCK_LARGEST) return own_take(size);
  cache = enetjs_cache_enter();
  index = enetjs_block_class_of(size);
  if (cache->magazines[index].active || enetjs_cache_refill(cache, index))
    memory = enetjs_magazine_take(cache, &cache->magazines[index]);
  enetjs_cache_leave(cache);
  return memory;
}

void *enetjs_pool_block_take(size_t size) {
  struct enetjs_cache *cache = enetjs_own_cache;
  struct enetjs_magazine *magazine;
  if (size > ENETJS_BLOCK_LARGEST || !cache) return take_slow(size);
  magazine = &cache->magazines[enetjs_block_class_of(size)];
  if (!magazine->active) return take_slow(size);
  return enetjs_magazine_take(cache, magazine);
}

static atomic_uint failures;

unsigned enetjs_pool_failures(void) { return atomic_load_explicit(&failures, memory_order_relaxed); }

static ENETJS_NOINLINE void *failed(void) {
  atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
  return NULL;
}

#ifdef ENETJS_SYSTEM_MALLOC
_Atomic int64_t enetjs_pool_test_countdown = INT64_MAX;

static bool test_says_no(void) {
  int64_t left = atomic_load(&enetjs_pool_test_countdown);
  return left != INT64_MAX && atomic_fetch_sub(&enetjs_pool_test_countdown, 1) == 1;
}
#endif

void *enetjs_pool_malloc(size_t size) {
#ifdef ENETJS_SYSTEM_MALLOC
  void *memory = test_says_no() ? NULL : own_take(size);
#elif defined(ENETJS_PLAIN_BLOCKS)
  void *memory = enetjs_plain_takes(size) ? enetjs_plain_take(size) : own_take(size);
#else
  void *memory = enetjs_pool_block_take(size);
#endif
  return memory ? memory : failed();
}

/* ---- Freeing --------------------------------------------------------------------------------- */

static ENETJS_NOINLINE void give_slow(struct enetjs_block *block) {
  struct enetjs_cache *cache;
  struct enetjs_magazine *magazine;
#ifdef ENETJS_PLAIN_BLOCKS
  if (block->class_index == ENETJS_BLOCK_PLAIN) {
    enetjs_plain_give(block);
    return;
  }
#endif
  if (block->class_index >= ENETJS_BLOCK_OWN) {
    own_give(block);
    return;
  }
  cache = enetjs_cache_enter();
  magazine = &cache->magazines[block->class_index];
  if (enetjs_magazine_count(magazine) == magazine->limit) enetjs_cache_spill(cache, block->class_index);
  enetjs_magazine_give(magazine, block);
  enetjs_cache_leave(cache);
}

void enetjs_pool_free(void *memory) {
  struct enetjs_cache *cache = enetjs_own_cache;
  struct enetjs_block *block;
  struct enetjs_magazine *magazine;
  if (!memory) return;
  block = (struct enetjs_block *)memory - 1;
  if (!cache || block->class_index >= ENETJS_BLOCK_OWN) {
    give_slow(block);
    return;
  }
  magazine = &cache->magazines[block->class_index];
  if (enetjs_magazine_count(magazine) == magazine->limit)
    give_slow(block);
  else
    enetjs_magazine_give(magazine, block);
}

/* ---- Statistics ------------------------------------------------------------------------------ */

void enetjs_pool_stats(struct enetjs_pool_stats *stats) {
  size_t live[ENETJS_BLOCK_CLASSES];
  enetjs_caches_initialize();
  stats->reserved_bytes = enetjs_reserved_bytes();
  enetjs_own_blocks_live(&stats->live_allocations, &stats->live_bytes);
  enetjs_caches_live(live);
  for (unsigned i = 0; i < ENETJS_BLOCK_CLASSES; i++) {
    stats->live_allocations += live[i];
    stats->live_bytes += live[i] * enetjs_depots[i].block_bytes;
  }
#ifdef ENETJS_PLAIN_BLOCKS
  uint64_t blocks, bytes;
  enetjs_caches_plain(&blocks, &bytes);
  stats->live_allocations += blocks;
  stats->live_bytes += bytes;
  stats->reserved_bytes += bytes;
#endif
}
