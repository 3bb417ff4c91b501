/*
 * The table of accounts, see budget.h.
 *
 * Invariant: pages of the table are never freed or moved, so an id finds its account without a lock. The list
 * of free accounts has a lock of its own, because hosts with different locks share it; no other lock is taken
 * under it. Any thread may open an account.
 */
#include "base/budget.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

_Atomic(struct enetjs_account *) enetjs_account_pages[ENETJS_ACCOUNT_PAGES];

static struct {
  enetjs_mutex mutex;
  struct enetjs_account *free;
  uint32_t pages;
} table = {.mutex = ENETJS_MUTEX_INIT};

/* With the table locked. Id 0 means no account and is never handed out. */
static bool table_grow(void) {
  struct enetjs_account *page;
  uint32_t first = table.pages * ENETJS_ACCOUNTS_A_PAGE;
  if (table.pages == ENETJS_ACCOUNT_PAGES) return false;
  page = calloc(ENETJS_ACCOUNTS_A_PAGE, sizeof(*page));
  if (!page) return false;
  atomic_store_explicit(&enetjs_account_pages[table.pages++], page, memory_order_release);
  for (uint32_t i = ENETJS_ACCOUNTS_A_PAGE; i-- > (first == 0);) {
    page[i].id = first + i;
    page[i].next_free = table.free;
    table.free = &page[i];
  }
  return true;
}

struct enetjs_account *enetjs_account_open(struct enetjs_account *host) {
  struct enetjs_account *account = NULL;
  enetjs_mutex_lock(&table.mutex);
  if (table.free || table_grow()) {
    account = table.free;
    table.free = account->next_free;
  }
  enetjs_mutex_unlock(&table.mutex);
  if (!account) return NULL;
  account->bytes = 0;
  account->sparse_blocks = 0;
  account->host = host;
  account->debt = NULL;
  account->closed = false;
  return account;
}

/* Makes a closed account that holds nothing free for others. */
static void release(struct enetjs_account *account) {
  enetjs_mutex_lock(&table.mutex);
  account->next_free = table.free;
  table.free = account;
  enetjs_mutex_unlock(&table.mutex);
}

void enetjs_account_repay(struct enetjs_account *account, size_t bytes) {
  if (account->debt) *account->debt -= (int64_t)bytes;
  if (account->bytes == 0) release(account);
}

void enetjs_account_close(struct enetjs_account *account, int64_t *debt) {
  if (!account) return;
  account->closed = true;
  if (account->bytes == 0) {
    release(account);
    return;
  }
  account->debt = debt;
  if (debt) *debt += account->bytes;
}
