/*
 * Giving memory back: enetjs_pool_slack, _trim and _relax of pool.h.
 *
 * A trim frees slabs whose blocks all lie in depots (depot.c), and asks malloc to give memory back. Blocks in
 * the magazines of other threads keep their slabs: two chains for each class and thread at most. So after a
 * trim, each thread empties its magazines once, when it calls enetjs_pool_relax.
 *
 * Invariant: one thread trims at a time, and no thread waits for it. Any thread may call. Every other lock of
 * the pool may be taken under that of the trim.
 */
#include <stdatomic.h>
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "base/cache.h"
#include "base/clock.h"
#include "base/depot.h"
#include "base/pool.h"
#include "base/threads.h"

enum {
  SLACK_BYTES = 4 << 20, /* malloc is asked when at least as much has been freed since it was asked last */
  TRIM_INTERVAL_US = 1000000
};

static enetjs_mutex trim_mutex = ENETJS_MUTEX_INIT;
static _Atomic uint64_t trimmed_us; /* when the last trim began; written under the mutex */
static _Atomic uint32_t trims;

static bool malloc_is_slack(void) { return enetjs_reserved_peak() > enetjs_reserved_bytes() + SLACK_BYTES; }

bool enetjs_pool_slack(void) { return enetjs_depots_slack() || malloc_is_slack(); }

void enetjs_pool_relax(void) {
  struct enetjs_cache *cache = enetjs_own_cache;
  uint32_t now = atomic_load_explicit(&trims, memory_order_relaxed);
  if (!cache || cache->trims == now) return;
  cache->trims = now;
  enetjs_cache_flush(cache);
}

static void slabs_trim(void) {
  if (enetjs_own_cache) enetjs_cache_flush(enetjs_own_cache);
  enetjs_depots_trim();
  atomic_fetch_add_explicit(&trims, 1, memory_order_relaxed);
}

static void malloc_give_back(void) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
  enetjs_reserved_forget_peak();
}

static bool trimmed_long_ago(uint64_t now) {
  return now - atomic_load_explicit(&trimmed_us, memory_order_relaxed) >= TRIM_INTERVAL_US;
}

bool enetjs_pool_trim_due(void) { return enetjs_pool_slack() && trimmed_long_ago(enetjs_clock_us()); }

void enetjs_pool_trim(void) {
  uint64_t now;
  if (!enetjs_pool_slack() || !enetjs_mutex_trylock(&trim_mutex)) return;
  now = enetjs_clock_us();
  if (trimmed_long_ago(now)) {
    atomic_store_explicit(&trimmed_us, now, memory_order_relaxed);
    if (enetjs_depots_slack()) slabs_trim();
    if (malloc_is_slack()) malloc_give_back();
  }
  enetjs_mutex_unlock(&trim_mutex);
}
