/*
 * Accounts of the pool: which account (budget.h) is charged for a block, and how many bytes.
 *
 * The header of a live block names its account. Only a thread with a cache of its own charges, because others
 * share one cache. Blocks of the size classes are charged in cache.h: each adds to the thread's `charged`,
 * which the account gets when the thread charges another one. All other blocks are charged here, at once.
 *
 * Invariant: a block is discharged of exactly what it was charged, whatever account it is moved to meanwhile.
 * Everything that changes an account is called with the lock of the account's host held.
 */
#include "base/charge.h"

#include "base/cache.h"
#include "base/own_block.h"
#include "base/pool.h"

size_t enetjs_block_cost(const struct enetjs_block *block) {
  return block->class_index < ENETJS_BLOCK_CLASSES ? enetjs_depots[block->class_index].block_bytes
                                                   : enetjs_own_block_cost(block);
}

void enetjs_block_charge(struct enetjs_block *block, struct enetjs_account *account) {
  block->account = account ? account->id : 0;
  if (!account) return;
  account->sparse_blocks += block->class_index == ENETJS_BLOCK_SPARSE;
  enetjs_account_add(account, enetjs_block_cost(block));
}

void enetjs_block_discharge(struct enetjs_block *block, size_t cost) {
  struct enetjs_account *account;
  if (!block->account) return;
  account = enetjs_account_of(block->account);
  account->sparse_blocks -= block->class_index == ENETJS_BLOCK_SPARSE;
  enetjs_account_subtract(account, cost);
}

void enetjs_pool_charge(struct enetjs_account *account) {
  struct enetjs_cache *cache = enetjs_own_cache;
  if (!cache) {
    if (!account) return;
    cache = enetjs_cache_enter();
    enetjs_cache_leave(cache);
    if (enetjs_cache_is_shared(cache)) return;
  }
  if (cache->account) enetjs_account_add(cache->account, cache->charged);
  cache->charged = 0;
  cache->sparse = 0;
  cache->account = account;
  cache->account_id = account ? account->id : 0;
}

void enetjs_pool_move(void *memory, struct enetjs_account *account) {
  struct enetjs_block *block = (struct enetjs_block *)memory - 1;
  enetjs_block_discharge(block, enetjs_block_cost(block));
  enetjs_block_charge(block, account);
}

size_t enetjs_pool_cost(size_t size) {
#if defined(ENETJS_SYSTEM_MALLOC) || defined(ENETJS_PLAIN_BLOCKS)
  return size + ENETJS_OWN_BLOCK_OVERHEAD;
#else
  return size > ENETJS_BLOCK_LARGEST ? size + ENETJS_OWN_BLOCK_OVERHEAD
                                     : enetjs_depots[enetjs_block_class_of(size)].block_bytes;
#endif
}

/* ---- Sparse blocks --------------------------------------------------------------------------- */

void enetjs_pool_expect_sparse(size_t size, size_t written) {
  if (!enetjs_own_cache || !enetjs_own_cache->account) return;
  enetjs_own_cache->sparse = size;
  enetjs_own_cache->sparse_written = written;
}

size_t enetjs_pool_sparse_cost(size_t size, size_t length) {
  return enetjs_own_block_sparse_cost(size, length);
}

size_t enetjs_pool_touch_cost(const void *memory, size_t offset, size_t length) {
  return enetjs_own_block_touch_cost((const struct enetjs_block *)memory - 1, offset, length);
}

void enetjs_pool_touch(void *memory, size_t offset, size_t length) {
  struct enetjs_block *block = (struct enetjs_block *)memory - 1;
  size_t cost = enetjs_own_block_touch_cost(block, offset, length);
  if (cost == 0) return;
  enetjs_own_block_touch(block, cost);
  if (block->account) enetjs_account_add(enetjs_account_of(block->account), cost);
}
