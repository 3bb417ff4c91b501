/**
 * @file budget.h
 * @brief Accounts: how many bytes of the pool a host or one of its connections holds.
 *
 * A thread charges an account (enetjs_pool_charge) and allocates. Each block then carries the id of the
 * account. The whole size of the block, with its header and rounding, counts towards the account and the
 * account's host until the block is freed. The pool adds what the thread has allocated when the thread
 * charges another account, or none. Until then the counters are behind.
 *
 * Invariant: everything that changes an account happens with the lock of its host held, so the counters are
 * plain integers. A block that may be freed without that lock is moved to no account first.
 *
 * An account that has been closed lives on until its last block is freed: what an ended connection still
 * holds goes on counting. After that the account is used again, at the same address.
 */
#ifndef ENETJS_BUDGET_H
#define ENETJS_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct enetjs_account {
  int64_t bytes;
  struct enetjs_account *host; /**< also counts what this account counts; NULL in a host's own account */
  int64_t *debt;               /**< in a closed account: also counts what it still holds, or NULL */
  struct enetjs_account *next_free;
  uint32_t id; /**< never 0 */
  uint32_t sparse_blocks; /**< live ones, see pool.h */
  bool closed;
};

enum { ENETJS_ACCOUNTS_A_PAGE = 256, ENETJS_ACCOUNT_PAGES = 65536 };

extern _Atomic(struct enetjs_account *) enetjs_account_pages[ENETJS_ACCOUNT_PAGES];

/** Opens an account, for a host (`host` is NULL) or for one of a host. @returns NULL when memory is out */
struct enetjs_account *enetjs_account_open(struct enetjs_account *host);

/** Closes an account. What it still holds counts towards `*debt` until it is freed. NULL does nothing. */
void enetjs_account_close(struct enetjs_account *account, int64_t *debt);

/** The part of enetjs_account_subtract for a closed account, which holds `bytes` less now. */
void enetjs_account_repay(struct enetjs_account *account, size_t bytes);

static inline struct enetjs_account *enetjs_account_of(uint32_t id) {
  struct enetjs_account *page =
      atomic_load_explicit(&enetjs_account_pages[id / ENETJS_ACCOUNTS_A_PAGE], memory_order_relaxed);
  return &page[id % ENETJS_ACCOUNTS_A_PAGE];
}

static inline void enetjs_account_add(struct enetjs_account *account, size_t bytes) {
  account->bytes += (int64_t)bytes;
  if (account->host) account->host->bytes += (int64_t)bytes;
  if (account->debt) *account->debt += (int64_t)bytes;
}

static inline void enetjs_account_subtract(struct enetjs_account *account, size_t bytes) {
  account->bytes -= (int64_t)bytes;
  if (account->host) account->host->bytes -= (int64_t)bytes;
  if (account->closed) enetjs_account_repay(account, bytes);
}

#endif
