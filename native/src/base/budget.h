/**
 * @file budget.h
 * @brief Accounts: how much memory of the pool is held for whom.
 *
 * A block that the pool hands out while its thread charges an account carries the account's id, and
 * its true size (header and rounding included) counts towards the account and the account's host until
 * the block is freed. (The pool adds what it has charged when the thread charges another account, or none:
 * until then the counters are behind.) The counters are plain integers. Everything that changes an account (charged
 * allocations, frees of charged blocks, opening and closing) happens with the lock of its host held;
 * a block that outlives that rule is moved to no account first.
 *
 * Accounts have stable addresses and are used again. One that has been closed lives on until its last
 * block is freed, so what an ended connection still holds goes on counting.
 */
#ifndef ENETJS_BUDGET_H
#define ENETJS_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct enetjs_account {
  int64_t bytes;
  struct enetjs_account *host; /**< counts everything that this one counts, or NULL */
  int64_t *debt;               /**< once closed, counts what is left, or NULL */
  struct enetjs_account *next_free;
  uint32_t id; /**< never 0 */
  uint32_t sparse_blocks; /**< live ones, see pool.h */
  bool closed;
};

enum { ENETJS_ACCOUNTS_A_PAGE = 256, ENETJS_ACCOUNT_PAGES = 65536 };

extern _Atomic(struct enetjs_account *) enetjs_account_pages[ENETJS_ACCOUNT_PAGES];

/** Opens an account, for a host (`host` is NULL) or for one of a host. @returns NULL when memory is out */
struct enetjs_account *enetjs_account_open(struct enetjs_account *host);

/** Closes an account: whatever it still holds counts towards `*debt` until it is freed. NULL does nothing. */
void enetjs_account_close(struct enetjs_account *account, int64_t *debt);

/** Part of enetjs_account_subtract: a closed account holds so many bytes less. */
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
