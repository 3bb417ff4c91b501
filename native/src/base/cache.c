/*
 * See cache.h. A cache is created by the first allocation of its thread. When the thread exits, the chains go
 * to the depots and the cache is freed.
 *
 * Invariant: the list of caches begins with the shared one and has every cache that holds blocks. Its lock is
 * the registry's. A depot's lock is taken under that of the shared cache or of the registry; no other lock
 * is.
 */
#include "base/cache.h"

#include <stdlib.h>

#include "base/own_block.h"

ENETJS_THREAD_LOCAL struct enetjs_cache *enetjs_own_cache;

static struct {
  enetjs_key key;
  bool has_key;
  enetjs_mutex shared_mutex;
  struct enetjs_cache shared;
  enetjs_mutex registry_mutex;
} caches = {.shared_mutex = ENETJS_MUTEX_INIT, .registry_mutex = ENETJS_MUTEX_INIT};

static enetjs_once initialized = ENETJS_ONCE_INIT;
static ENETJS_THREAD_LOCAL bool thread_exiting;

static void set_spare(struct enetjs_magazine *magazine, struct enetjs_block *chain) {
  magazine->spare = chain;
  atomic_store_explicit(&magazine->spare_count, chain ? magazine->limit : 0, memory_order_relaxed);
}

/* ---- Magazines ------------------------------------------------------------------------------- */

bool enetjs_cache_refill(struct enetjs_cache *cache, unsigned index) {
  struct enetjs_magazine *magazine = &cache->magazines[index];
  uint32_t count = magazine->limit;
  magazine->active = magazine->spare;
  set_spare(magazine, NULL);
  if (!magazine->active) magazine->active = enetjs_depot_pull(index, &count);
  if (!magazine->active) return false;
  enetjs_magazine_set_count(magazine, count);
  return true;
}

void enetjs_cache_spill(struct enetjs_cache *cache, unsigned index) {
  struct enetjs_magazine *magazine = &cache->magazines[index];
  if (magazine->spare) enetjs_depot_push(index, magazine->spare, magazine->limit);
  set_spare(magazine, magazine->active);
  magazine->active = NULL;
  enetjs_magazine_set_count(magazine, 0);
}

void enetjs_cache_flush(struct enetjs_cache *cache) {
  for (unsigned i = 0; i < ENETJS_BLOCK_CLASSES; i++) {
    struct enetjs_magazine *magazine = &cache->magazines[i];
    if (magazine->active) enetjs_depot_push(i, magazine->active, enetjs_magazine_count(magazine));
    if (magazine->spare) enetjs_depot_push(i, magazine->spare, magazine->limit);
    magazine->active = NULL;
    enetjs_magazine_set_count(magazine, 0);
    set_spare(magazine, NULL);
  }
}

/* ---- The caches of threads ------------------------------------------------------------------- */

static void cache_init(struct enetjs_cache *cache) {
  *cache = (struct enetjs_cache){0};
  for (unsigned i = 0; i < ENETJS_BLOCK_CLASSES; i++) {
    cache->magazines[i].limit = enetjs_depots[i].chain_limit;
    cache->magazines[i].block_bytes = (uint32_t)enetjs_depots[i].block_bytes;
  }
}

static void cache_register(struct enetjs_cache *cache) {
  enetjs_mutex_lock(&caches.registry_mutex);
  cache->previous = &caches.shared;
  cache->next = caches.shared.next;
  if (cache->next) cache->next->previous = cache;
  caches.shared.next = cache;
  enetjs_mutex_unlock(&caches.registry_mutex);
}

static void cache_unregister(struct enetjs_cache *cache) {
  enetjs_mutex_lock(&caches.registry_mutex);
  cache->previous->next = cache->next;
  if (cache->next) cache->next->previous = cache->previous;
  enetjs_mutex_unlock(&caches.registry_mutex);
}

/*
 * Other destructors of this thread may still allocate and free: with `thread_exiting` they use the shared
 * cache.
 */
static void ENETJS_KEY_CALL on_thread_exit(void *value) {
  struct enetjs_cache *cache = value;
  thread_exiting = true;
  enetjs_own_cache = NULL;
#ifdef ENETJS_PLAIN_BLOCKS
  enetjs_own_blocks_adopt((uint64_t)cache->plain_blocks, (uint64_t)cache->plain_bytes);
#endif
  cache_unregister(cache);
  enetjs_cache_flush(cache);
  free(cache);
}

static void initialize(void) {
  enetjs_depots_initialize();
  enetjs_own_blocks_initialize();
  cache_init(&caches.shared);
  caches.has_key = enetjs_key_create(&caches.key, on_thread_exit);
}

void enetjs_caches_initialize(void) { enetjs_once_run(&initialized, initialize); }

static struct enetjs_cache *cache_create(void) {
  struct enetjs_cache *cache;
  if (thread_exiting || !caches.has_key) return NULL;
  cache = malloc(sizeof(*cache));
  if (!cache) return NULL;
  if (!enetjs_key_set(caches.key, cache)) {
    free(cache);
    return NULL;
  }
  cache_init(cache);
  cache_register(cache);
  return cache;
}

struct enetjs_cache *enetjs_cache_enter(void) {
  if (enetjs_own_cache) return enetjs_own_cache;
  enetjs_caches_initialize();
  enetjs_own_cache = cache_create();
  if (enetjs_own_cache) return enetjs_own_cache;
  enetjs_mutex_lock(&caches.shared_mutex);
  return &caches.shared;
}

bool enetjs_cache_is_shared(const struct enetjs_cache *cache) { return cache == &caches.shared; }

void enetjs_cache_leave(struct enetjs_cache *cache) {
  if (enetjs_cache_is_shared(cache)) enetjs_mutex_unlock(&caches.shared_mutex);
}

/* ---- Counts over all threads ----------------------------------------------------------------- */

static size_t held_by(struct enetjs_magazine *magazine) {
  return enetjs_magazine_count(magazine) + atomic_load_explicit(&magazine->spare_count, memory_order_relaxed);
}

/*
 * With the registry's lock held. Nothing counts live blocks: they are those cut from slabs that lie nowhere.
 */
static size_t class_live(unsigned index) {
  size_t drawn = enetjs_depot_drawn(index), held = 0;
  for (struct enetjs_cache *cache = &caches.shared; cache; cache = cache->next)
    held += held_by(&cache->magazines[index]);
  return drawn > held ? drawn - held : 0;
}

void enetjs_caches_live(size_t live[ENETJS_BLOCK_CLASSES]) {
  enetjs_mutex_lock(&caches.registry_mutex);
  for (unsigned i = 0; i < ENETJS_BLOCK_CLASSES; i++) live[i] = class_live(i);
  enetjs_mutex_unlock(&caches.registry_mutex);
}

#ifdef ENETJS_PLAIN_BLOCKS
void enetjs_caches_plain(uint64_t *blocks, uint64_t *bytes) {
  *blocks = *bytes = 0;
  enetjs_mutex_lock(&caches.registry_mutex);
  for (struct enetjs_cache *cache = &caches.shared; cache; cache = cache->next) {
    *blocks += (uint64_t)cache->plain_blocks;
    *bytes += (uint64_t)cache->plain_bytes;
  }
  enetjs_mutex_unlock(&caches.registry_mutex);
}
#endif
