/*
 * A size-class pool for ENet's many small, short-lived blocks.
 *
 * Roles
 *   block     A 16-byte header and the caller's bytes. The header of a free block holds the link of
 *             the chain it is in; that of a live block holds the requested size.
 *   magazine  Per thread and class: an active chain that blocks are taken from and put back to, and
 *             a spare one that is either full or absent. Two chains, so that a thread that
 *             alternates around a chain's end does not visit the depot each time.
 *   depot     Per class: chains no thread holds, and the uncut rest of the newest slab.
 *   cache     A thread's magazines and counters. Threads that have none (memory was out, or they
 *             are past their own destructor) use the shared cache under its lock.
 *
 * Memory order
 *   Magazines belong to their thread and need no order. Chains change threads through a depot,
 *   whose mutex orders them. A block freed by another thread than its allocator was handed over by
 *   the caller, whose hand-over orders it; it simply joins the freeing thread's magazine.
 *   Counters have one writer each (their thread) and are relaxed: a reader in another thread sees
 *   them late, and exactly once that thread is quiet and the reader knows it. Live blocks are not
 *   counted one by one: they are what was drawn into a thread's active chains and is not there any
 *   more. A thread folds its counts into the process-wide ones when it visits a depot or the system
 *   and when it exits. One thread's count may be negative: it has freed what others allocated.
 *
 * Ownership
 *   Slabs belong to the depots for ever. Caches belong to their thread and are freed when it exits,
 *   after their chains went back to the depots. Blocks above the largest class are a malloc each.
 *
 * Locks are leaves: none is taken while another is held, except a depot's under the shared cache's.
 */
#include "base/pool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/threads.h"

/*
 * Keeps what is rare out of the functions that are called for every block: inlined there, it would
 * make them save registers they do not need.
 */
#ifdef _MSC_VER
#define NOINLINE __declspec(noinline)
#else
#define NOINLINE __attribute__((noinline))
#endif

enum {
  GRANULE = 16,
  LARGEST = 8192,
  CLASS_COUNT = 32,
  CLASS_SYSTEM = CLASS_COUNT, /* the block is a malloc of its own */
  SLAB_BYTES = 64 * 1024,     /* at least; a slab is a whole number of blocks */
  CHAIN_MAX = 32,
  CHAIN_MIN = 4,
  CHAIN_BYTES = 32 * 1024 /* keeps what a thread can hoard of a large class small */
};

struct block {
  union {
    struct block *next; /* free */
    size_t size;        /* live */
  };
  uint32_t class_index;
};

_Static_assert(sizeof(struct block) == GRANULE,
               "a header keeps blocks aligned, given a 64-bit malloc, which aligns to 16");

/* In the bytes behind the header of a chain's first block while it is in a depot. */
struct chain_link {
  struct block *next_chain;
  uint32_t count;
};

_Static_assert(sizeof(struct chain_link) <= GRANULE, "a chain's link fits in the smallest class");

struct slab {
  struct slab *next;
  uint64_t padding;
};

_Static_assert(sizeof(struct slab) == GRANULE, "a slab's first block is aligned");

struct depot {
  enetjs_mutex mutex;
  struct block *chains;
  struct slab *slabs;
  unsigned char *uncut;
  size_t uncut_blocks;
  size_t block_bytes;
  uint32_t chain_limit;
};

struct magazine {
  struct block *active;
  struct block *spare;    /* holds `limit` blocks, or is NULL */
  _Atomic uint32_t count; /* of the active chain */
  uint32_t limit;
};

struct cache {
  struct magazine magazines[CLASS_COUNT];
  _Atomic int64_t drawn; /* whole chains into active ones less those out of them, and mallocs */
  _Atomic int64_t bytes; /* live, since the last fold */
  struct cache *previous;
  struct cache *next;
};

static struct {
  struct depot depots[CLASS_COUNT];
  uint8_t class_of_granule[LARGEST / GRANULE];

  enetjs_key key;
  bool has_key;

  enetjs_mutex shared_mutex;
  struct cache shared;

  enetjs_mutex registry_mutex; /* guards the list of caches, which begins with `shared` */

  _Atomic int64_t allocations;
  _Atomic int64_t bytes;
  _Atomic int64_t peak;
  _Atomic uint64_t reserved_bytes;
} pool = {.shared_mutex = ENETJS_MUTEX_INIT, .registry_mutex = ENETJS_MUTEX_INIT};

static enetjs_once pool_once = ENETJS_ONCE_INIT;
static ENETJS_THREAD_LOCAL struct cache *own_cache;
static ENETJS_THREAD_LOCAL bool thread_exiting;

/* ---- Counters -------------------------------------------------------------------------------- */

static int64_t count_load(_Atomic int64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

/* For a counter that only this thread writes: no read-modify-write. */
static void count_add(_Atomic int64_t *counter, int64_t change) {
  atomic_store_explicit(counter, count_load(counter) + change, memory_order_relaxed);
}

static uint32_t magazine_count(struct magazine *magazine) {
  return atomic_load_explicit(&magazine->count, memory_order_relaxed);
}

static void magazine_set_count(struct magazine *magazine, uint32_t count) {
  atomic_store_explicit(&magazine->count, count, memory_order_relaxed);
}

/* Blocks this cache handed out less those it got back, since the last fold. */
static int64_t cache_live(struct cache *cache) {
  int64_t live = count_load(&cache->drawn);
  for (unsigned i = 0; i < CLASS_COUNT; i++) live -= magazine_count(&cache->magazines[i]);
  return live;
}

static void peak_raise(int64_t candidate) {
  int64_t peak = count_load(&pool.peak);
  while (candidate > peak && !atomic_compare_exchange_weak_explicit(&pool.peak, &peak, candidate, memory_order_relaxed,
                                                                    memory_order_relaxed))
    ;
}

static void cache_fold(struct cache *cache) {
  int64_t live = cache_live(cache);
  int64_t bytes = count_load(&cache->bytes);
  peak_raise(live + atomic_fetch_add_explicit(&pool.allocations, live, memory_order_relaxed));
  atomic_fetch_add_explicit(&pool.bytes, bytes, memory_order_relaxed);
  count_add(&cache->drawn, -live);
  count_add(&cache->bytes, -bytes);
}

static void reserved_add(size_t bytes) { atomic_fetch_add_explicit(&pool.reserved_bytes, bytes, memory_order_relaxed); }

static void reserved_subtract(size_t bytes) {
  atomic_fetch_sub_explicit(&pool.reserved_bytes, bytes, memory_order_relaxed);
}

/* ---- Depots ---------------------------------------------------------------------------------- */

static struct chain_link *chain_link_of(struct block *chain) { return (struct chain_link *)(chain + 1); }

static bool depot_grow(struct depot *depot) {
  size_t blocks = (SLAB_BYTES + depot->block_bytes - 1) / depot->block_bytes;
  size_t bytes = sizeof(struct slab) + blocks * depot->block_bytes;
  struct slab *slab = malloc(bytes);
  if (!slab) return false;
  slab->next = depot->slabs;
  depot->slabs = slab;
  depot->uncut = (unsigned char *)(slab + 1);
  depot->uncut_blocks = blocks;
  reserved_add(bytes);
  return true;
}

static struct block *depot_cut(struct depot *depot, uint32_t *count) {
  struct block *chain = NULL;
  if (depot->uncut_blocks == 0 && !depot_grow(depot)) return NULL;
  for (*count = 0; *count < depot->chain_limit && depot->uncut_blocks > 0; (*count)++) {
    struct block *block = (struct block *)depot->uncut;
    block->class_index = (uint32_t)(depot - pool.depots);
    block->next = chain;
    chain = block;
    depot->uncut += depot->block_bytes;
    depot->uncut_blocks--;
  }
  return chain;
}

/* Returns a chain and its length, or NULL when memory is out. */
static struct block *depot_pull(struct depot *depot, uint32_t *count) {
  struct block *chain;
  enetjs_mutex_lock(&depot->mutex);
  chain = depot->chains;
  if (chain) {
    *count = chain_link_of(chain)->count;
    depot->chains = chain_link_of(chain)->next_chain;
  } else {
    chain = depot_cut(depot, count);
  }
  enetjs_mutex_unlock(&depot->mutex);
  return chain;
}

static void depot_push(struct depot *depot, struct block *chain, uint32_t count) {
  struct chain_link *link = chain_link_of(chain);
  link->count = count;
  enetjs_mutex_lock(&depot->mutex);
  link->next_chain = depot->chains;
  depot->chains = chain;
  enetjs_mutex_unlock(&depot->mutex);
}

/* ---- Caches ---------------------------------------------------------------------------------- */

static void cache_init(struct cache *cache) {
  *cache = (struct cache){0};
  for (unsigned i = 0; i < CLASS_COUNT; i++) cache->magazines[i].limit = pool.depots[i].chain_limit;
}

static void cache_register(struct cache *cache) {
  enetjs_mutex_lock(&pool.registry_mutex);
  cache->previous = &pool.shared;
  cache->next = pool.shared.next;
  if (cache->next) cache->next->previous = cache;
  pool.shared.next = cache;
  enetjs_mutex_unlock(&pool.registry_mutex);
}

/* Folds under the lock, so that no reader misses or repeats what an exiting thread counted. */
static void cache_unregister(struct cache *cache) {
  enetjs_mutex_lock(&pool.registry_mutex);
  cache_fold(cache);
  cache->previous->next = cache->next;
  if (cache->next) cache->next->previous = cache->previous;
  enetjs_mutex_unlock(&pool.registry_mutex);
}

static void cache_empty(struct cache *cache) {
  for (unsigned i = 0; i < CLASS_COUNT; i++) {
    struct magazine *magazine = &cache->magazines[i];
    if (magazine->active) depot_push(&pool.depots[i], magazine->active, magazine_count(magazine));
    if (magazine->spare) depot_push(&pool.depots[i], magazine->spare, magazine->limit);
  }
}

/* Other destructors of this thread may still allocate and free: they find `thread_exiting`. */
static void ENETJS_KEY_CALL cache_at_thread_exit(void *value) {
  struct cache *cache = value;
  thread_exiting = true;
  own_cache = NULL;
  cache_unregister(cache);
  cache_empty(cache);
  free(cache);
}

static void pool_setup(void) {
  size_t size = 0;
  size_t step = GRANULE;
  size_t granule = 0;
  for (unsigned i = 0; i < CLASS_COUNT; i++) {
    struct depot *depot = &pool.depots[i];
    uint32_t chain;
    if (size == 8 * step) step *= 2;
    size += step;
    chain = (uint32_t)(CHAIN_BYTES / size);
    depot->block_bytes = sizeof(struct block) + size;
    depot->chain_limit = chain > CHAIN_MAX ? CHAIN_MAX : chain < CHAIN_MIN ? CHAIN_MIN : chain;
    enetjs_mutex_init(&depot->mutex);
    for (; granule * GRANULE < size; granule++) pool.class_of_granule[granule] = (uint8_t)i;
  }
  cache_init(&pool.shared);
  pool.has_key = enetjs_key_create(&pool.key, cache_at_thread_exit);
}

static struct cache *cache_create(void) {
  struct cache *cache;
  if (thread_exiting || !pool.has_key) return NULL;
  cache = malloc(sizeof(*cache));
  if (!cache) return NULL;
  if (!enetjs_key_set(pool.key, cache)) {
    free(cache);
    return NULL;
  }
  cache_init(cache);
  cache_register(cache);
  return cache;
}

/* Returns a cache the thread may use until cache_leave. Never fails. */
static struct cache *cache_enter(void) {
  if (own_cache) return own_cache;
  enetjs_once_run(&pool_once, pool_setup);
  own_cache = cache_create();
  if (own_cache) return own_cache;
  enetjs_mutex_lock(&pool.shared_mutex);
  return &pool.shared;
}

static void cache_leave(struct cache *cache) {
  if (cache == &pool.shared) enetjs_mutex_unlock(&pool.shared_mutex);
}

static unsigned class_of(size_t size) { return pool.class_of_granule[(size - (size != 0)) / GRANULE]; }

static void *magazine_take(struct cache *cache, struct magazine *magazine, size_t size) {
  struct block *block = magazine->active;
  magazine->active = block->next;
  magazine_set_count(magazine, magazine_count(magazine) - 1);
  block->size = size;
  count_add(&cache->bytes, (int64_t)size);
  return block + 1;
}

static void magazine_give(struct cache *cache, struct magazine *magazine, struct block *block) {
  count_add(&cache->bytes, -(int64_t)block->size);
  block->next = magazine->active;
  magazine->active = block;
  magazine_set_count(magazine, magazine_count(magazine) + 1);
}

/* Gives a magazine without an active chain one; false when memory is out. */
static bool cache_refill(struct cache *cache, unsigned index) {
  struct magazine *magazine = &cache->magazines[index];
  uint32_t count = magazine->limit;
  magazine->active = magazine->spare;
  magazine->spare = NULL;
  if (!magazine->active) {
    cache_fold(cache);
    magazine->active = depot_pull(&pool.depots[index], &count);
    if (!magazine->active) return false;
  }
  magazine_set_count(magazine, count);
  count_add(&cache->drawn, count);
  return true;
}

/* Makes a full active chain the spare one. */
static void cache_spill(struct cache *cache, unsigned index) {
  struct magazine *magazine = &cache->magazines[index];
  if (magazine->spare) {
    cache_fold(cache);
    depot_push(&pool.depots[index], magazine->spare, magazine->limit);
  }
  magazine->spare = magazine->active;
  magazine->active = NULL;
  magazine_set_count(magazine, 0);
  count_add(&cache->drawn, -(int64_t)magazine->limit);
}

/* ---- Blocks that are a malloc of their own --------------------------------------------------- */

static void system_count(int64_t blocks, int64_t bytes) {
  struct cache *cache = cache_enter();
  count_add(&cache->drawn, blocks);
  count_add(&cache->bytes, bytes);
  cache_fold(cache);
  cache_leave(cache);
}

static void *system_take(size_t size) {
  struct block *block;
  if (size > PTRDIFF_MAX - sizeof(*block)) return NULL;
  block = malloc(sizeof(*block) + size);
  if (!block) return NULL;
  block->size = size;
  block->class_index = CLASS_SYSTEM;
  reserved_add(sizeof(*block) + size);
  system_count(1, (int64_t)size);
  return block + 1;
}

static void system_give(struct block *block) {
  system_count(-1, -(int64_t)block->size);
  reserved_subtract(sizeof(*block) + block->size);
  free(block);
}

/* ---- The pool -------------------------------------------------------------------------------- */

static NOINLINE void *take_slow(size_t size) {
  struct cache *cache;
  struct magazine *magazine;
  void *memory = NULL;
  if (size > LARGEST) return system_take(size);
  cache = cache_enter();
  magazine = &cache->magazines[class_of(size)];
  if (magazine->active || cache_refill(cache, class_of(size))) memory = magazine_take(cache, magazine, size);
  cache_leave(cache);
  return memory;
}

static NOINLINE void give_slow(struct block *block) {
  struct cache *cache;
  struct magazine *magazine;
  if (block->class_index == CLASS_SYSTEM) {
    system_give(block);
    return;
  }
  cache = cache_enter();
  magazine = &cache->magazines[block->class_index];
  if (magazine_count(magazine) == magazine->limit) cache_spill(cache, block->class_index);
  magazine_give(cache, magazine, block);
  cache_leave(cache);
}

void *enetjs_pool_block_take(size_t size) {
  struct cache *cache = own_cache;
  struct magazine *magazine;
  if (size > LARGEST || !cache) return take_slow(size);
  magazine = &cache->magazines[class_of(size)];
  if (!magazine->active) return take_slow(size);
  return magazine_take(cache, magazine, size);
}

void *enetjs_pool_malloc(size_t size) {
#ifdef ENETJS_SYSTEM_MALLOC
  return system_take(size);
#else
  return enetjs_pool_block_take(size);
#endif
}

void enetjs_pool_free(void *memory) {
  struct cache *cache = own_cache;
  struct block *block;
  struct magazine *magazine;
  if (!memory) return;
  block = (struct block *)memory - 1;
  if (!cache || block->class_index == CLASS_SYSTEM) {
    give_slow(block);
    return;
  }
  magazine = &cache->magazines[block->class_index];
  if (magazine_count(magazine) == magazine->limit)
    give_slow(block);
  else
    magazine_give(cache, magazine, block);
}

/* While other threads run, their counts may be read on both sides of a fold. */
static uint64_t not_negative(int64_t count) { return count > 0 ? (uint64_t)count : 0; }

void enetjs_pool_stats(struct enetjs_pool_stats *stats) {
  struct cache *cache;
  int64_t allocations, bytes;
  enetjs_once_run(&pool_once, pool_setup);
  enetjs_mutex_lock(&pool.registry_mutex);
  allocations = count_load(&pool.allocations);
  bytes = count_load(&pool.bytes);
  for (cache = &pool.shared; cache; cache = cache->next) {
    allocations += cache_live(cache);
    bytes += count_load(&cache->bytes);
  }
  enetjs_mutex_unlock(&pool.registry_mutex);
  peak_raise(allocations);

  stats->live_allocations = not_negative(allocations);
  stats->live_bytes = not_negative(bytes);
  stats->peak_live_allocations = not_negative(count_load(&pool.peak));
  stats->reserved_bytes = atomic_load_explicit(&pool.reserved_bytes, memory_order_relaxed);
}
