/*
 * See attempts.h. The attempts lie in one array. A free place is in a list, a used one is in a chain for each
 * key and in the queue of its state.
 *
 * Invariants: an attempt is in both chains and in one queue, always. All places are used when the array
 * grows. The attempts that the program has not been asked about are the newest of the ASKING queue, because
 * questions are asked in their order.
 *
 * Call with the host's lock held.
 */
#include "wire/attempts.h"

#include <stdlib.h>
#include <string.h>

#define FEWEST 64 /* places at first; a power of two */

/* ---- Chains ---------------------------------------------------------------------------------- */

uint64_t enetjs_attempts_hash(const struct enetjs_attempts *table, const struct enetjs_endpoint *address,
                              enet_uint32 number) {
  /* An address and port may open thousands of attempts, so the number takes part in every bit. */
  uint64_t hash = (address->high ^ table->seed) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ hash >> 32 ^ address->low) * 0xC4CEB9FE1A85EC53u;
  hash = (hash ^ hash >> 32 ^ address->port ^ (uint64_t)address->scope << 16) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ hash >> 29 ^ number) * (table->seed | 1);
  return (hash ^ hash >> 32) * 0x9E3779B97F4A7C15u;
}

static uint32_t *bucket_of(const struct enetjs_attempts *table, enum enetjs_attempt_key key,
                           const struct enetjs_endpoint *address, enet_uint32 number) {
  return &table->buckets[key * table->room +
                         (enetjs_attempts_hash(table, address, number) >> 32 & (table->room - 1))];
}

static enet_uint32 number_of(const struct enetjs_attempt *attempt, enum enetjs_attempt_key key) {
  return key == ENETJS_ATTEMPT_BY_ID ? attempt->id : attempt->connect.connectID;
}

static uint32_t *bucket_of_attempt(const struct enetjs_attempts *table, enum enetjs_attempt_key key,
                                   const struct enetjs_attempt *attempt) {
  return bucket_of(table, key, &attempt->address, number_of(attempt, key));
}

static uint32_t index_of(const struct enetjs_attempts *table, const struct enetjs_attempt *attempt) {
  return (uint32_t)(attempt - table->attempts);
}

static void link_attempt(struct enetjs_attempts *table, enum enetjs_attempt_key key, uint32_t index) {
  uint32_t *bucket = bucket_of_attempt(table, key, &table->attempts[index]);
  table->attempts[index].next[key] = *bucket;
  *bucket = index;
}

static void unlink_attempt(struct enetjs_attempts *table, enum enetjs_attempt_key key, uint32_t index) {
  uint32_t *link = bucket_of_attempt(table, key, &table->attempts[index]);
  while (*link != index && *link != ENETJS_NO_ATTEMPT) link = &table->attempts[*link].next[key];
  if (*link == index) *link = table->attempts[index].next[key];
}

bool enetjs_attempt_is_from(const struct enetjs_attempt *attempt, const struct enetjs_endpoint *address) {
  return enetjs_endpoint_same(&attempt->address, address);
}

struct enetjs_attempt *enetjs_attempts_find(const struct enetjs_attempts *table, enum enetjs_attempt_key key,
                                            const struct enetjs_endpoint *from, enet_uint32 number) {
  if (table->count == 0) return NULL;
  for (uint32_t i = *bucket_of(table, key, from, number); i != ENETJS_NO_ATTEMPT;
       i = table->attempts[i].next[key])
    if (enetjs_attempt_is_from(&table->attempts[i], from) && number_of(&table->attempts[i], key) == number)
      return &table->attempts[i];
  return NULL;
}

void enetjs_attempts_assign(struct enetjs_attempts *table, struct enetjs_attempt *attempt, enet_uint16 id) {
  uint32_t index = index_of(table, attempt);
  unlink_attempt(table, ENETJS_ATTEMPT_BY_ID, index);
  attempt->id = id;
  link_attempt(table, ENETJS_ATTEMPT_BY_ID, index);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

void enetjs_attempts_clear(struct enetjs_attempts *table) {
  free(table->attempts);
  free(table->buckets);
  table->attempts = NULL;
  table->buckets = NULL;
  table->room = table->count = 0;
  table->free = ENETJS_NO_ATTEMPT;
  table->unasked = ENETJS_NO_ATTEMPT;
  for (unsigned i = 0; i < ENETJS_ATTEMPT_STATES; i++)
    table->queues[i].oldest = table->queues[i].newest = ENETJS_NO_ATTEMPT;
}

static bool grow(struct enetjs_attempts *table) {
  uint32_t used = table->room, room = used ? 2 * used : FEWEST, *buckets;
  struct enetjs_attempt *attempts;
  if (room > ENETJS_ATTEMPTS) return false;
  buckets = malloc(ENETJS_ATTEMPT_KEYS * room * sizeof(*buckets));
  attempts = buckets ? realloc(table->attempts, room * sizeof(*attempts)) : NULL;
  if (!attempts) {
    free(buckets);
    return false;
  }
  free(table->buckets);
  table->buckets = buckets;
  table->attempts = attempts;
  memset(buckets, 0xFF, ENETJS_ATTEMPT_KEYS * room * sizeof(*buckets)); /* ENETJS_NO_ATTEMPT */
  for (uint32_t i = used; i < room; i++) {
    attempts[i].next[0] = table->free;
    table->free = i;
  }
  table->room = room;
  for (uint32_t i = 0; i < used; i++) {
    link_attempt(table, ENETJS_ATTEMPT_BY_CONNECT, i);
    link_attempt(table, ENETJS_ATTEMPT_BY_ID, i);
  }
  return true;
}

/* ---- Shares ---------------------------------------------------------------------------------- */

uint16_t enetjs_attempts_share_of(const struct enetjs_attempts *table, uint64_t network) {
  uint64_t hash = (network ^ table->seed) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ hash >> 32) * (table->seed | 1);
  return (uint16_t)(hash >> 32 & (ENETJS_ATTEMPT_SHARES - 1));
}

const struct enetjs_attempt_share *enetjs_attempts_share(struct enetjs_attempts *table,
                                                         const struct enetjs_attempt *attempt) {
  return &table->shares[attempt->share];
}

/* @param by 1 when the attempt enters its queue, −1 when it leaves */
static void count_share(struct enetjs_attempts *table, const struct enetjs_attempt *attempt, int by) {
  struct enetjs_attempt_share *share = &table->shares[attempt->share];
  if (attempt->promised) {
    share->promised = (uint16_t)(share->promised + by);
    table->promised += (uint32_t)by;
  }
  if (!attempt->proved) return;
  if (attempt->state == ENETJS_ATTEMPT_ASKING) share->asking = (uint16_t)(share->asking + by);
  if (attempt->state == ENETJS_ATTEMPT_REFUSED) share->refused = (uint16_t)(share->refused + by);
}

void enetjs_attempts_promise(struct enetjs_attempts *table, struct enetjs_attempt *attempt, bool promised) {
  count_share(table, attempt, -1);
  attempt->promised = promised;
  count_share(table, attempt, 1);
}

/* ---- Questions ------------------------------------------------------------------------------- */

struct enetjs_attempt *enetjs_attempts_unasked(const struct enetjs_attempts *table) {
  return table->unasked_count > 0 ? &table->attempts[table->unasked] : NULL;
}

void enetjs_attempts_asked(struct enetjs_attempts *table) {
  table->unasked = table->attempts[table->unasked].newer;
  table->unasked_count--;
}

/* Question numbers wrap around, and fewer than ENETJS_QUESTIONS are open at once. */
static bool is_unasked(const struct enetjs_attempts *table, const struct enetjs_attempt *attempt) {
  return attempt->state == ENETJS_ATTEMPT_ASKING && table->unasked_count > 0 &&
         attempt->question - table->attempts[table->unasked].question < ENETJS_QUESTIONS;
}

/* The program answers most questions in their order, so the search is short. */
struct enetjs_attempt *enetjs_attempts_find_question(const struct enetjs_attempts *table, uint32_t question) {
  if (table->count == 0) return NULL;
  for (uint32_t i = table->queues[ENETJS_ATTEMPT_ASKING].oldest; i != ENETJS_NO_ATTEMPT;
       i = table->attempts[i].newer)
    if (table->attempts[i].question == question) return &table->attempts[i];
  return NULL;
}

/* ---- Queues ---------------------------------------------------------------------------------- */

struct enetjs_attempt *enetjs_attempts_oldest(const struct enetjs_attempts *table,
                                              enum enetjs_attempt_state state) {
  uint32_t oldest = table->queues[state].oldest;
  return oldest == ENETJS_NO_ATTEMPT ? NULL : &table->attempts[oldest];
}

size_t enetjs_attempts_count(const struct enetjs_attempts *table, enum enetjs_attempt_state state) {
  return table->queues[state].count;
}

static void enqueue(struct enetjs_attempts *table, enum enetjs_attempt_state state, uint32_t index,
                    enet_uint32 now) {
  struct enetjs_attempt *attempt = &table->attempts[index];
  struct enetjs_attempt_queue *queue = &table->queues[state];
  attempt->state = (enet_uint8)state;
  queue->count++;
  count_share(table, attempt, 1);
  if (state == ENETJS_ATTEMPT_ASKING && table->unasked_count++ == 0) table->unasked = index;
  attempt->queued = now;
  attempt->newer = ENETJS_NO_ATTEMPT;
  attempt->older = queue->newest;
  if (queue->newest == ENETJS_NO_ATTEMPT)
    queue->oldest = index;
  else
    table->attempts[queue->newest].newer = index;
  queue->newest = index;
}

static void dequeue(struct enetjs_attempts *table, uint32_t index) {
  struct enetjs_attempt *attempt = &table->attempts[index];
  struct enetjs_attempt_queue *queue = &table->queues[attempt->state];
  queue->count--;
  count_share(table, attempt, -1);
  if (index == table->unasked)
    enetjs_attempts_asked(table);
  else if (is_unasked(table, attempt))
    table->unasked_count--;
  *(attempt->older == ENETJS_NO_ATTEMPT ? &queue->oldest : &table->attempts[attempt->older].newer) =
      attempt->newer;
  *(attempt->newer == ENETJS_NO_ATTEMPT ? &queue->newest : &table->attempts[attempt->newer].older) =
      attempt->older;
}

void enetjs_attempts_move(struct enetjs_attempts *table, struct enetjs_attempt *attempt,
                          enum enetjs_attempt_state state, enet_uint32 now) {
  uint32_t index = index_of(table, attempt);
  dequeue(table, index);
  enqueue(table, state, index, now);
}

/* ---- Attempts come and go -------------------------------------------------------------------- */

void enetjs_attempts_drop(struct enetjs_attempts *table, struct enetjs_attempt *attempt) {
  uint32_t index = index_of(table, attempt);
  table->lapsed |= attempt->promised;
  unlink_attempt(table, ENETJS_ATTEMPT_BY_CONNECT, index);
  unlink_attempt(table, ENETJS_ATTEMPT_BY_ID, index);
  dequeue(table, index);
  attempt->next[0] = table->free;
  table->free = index;
  table->count--;
}

/* The attempt that leaves a full table. Questions are fewer than places, and are not pushed out. */
static struct enetjs_attempt *most_dispensable(const struct enetjs_attempts *table) {
  static const enum enetjs_attempt_state order[] = {ENETJS_ATTEMPT_REFUSED, ENETJS_ATTEMPT_FRESH,
                                                    ENETJS_ATTEMPT_ID_SEEN, ENETJS_ATTEMPT_WAITING,
                                                    ENETJS_ATTEMPT_ADMITTED};
  struct enetjs_attempt *oldest = NULL;
  for (unsigned i = 0; !oldest && i < sizeof(order) / sizeof(order[0]); i++)
    oldest = enetjs_attempts_oldest(table, order[i]);
  return oldest;
}

struct enetjs_attempt *enetjs_attempts_add(struct enetjs_attempts *table, const struct enetjs_attempt *wanted,
                                           enet_uint32 now) {
  uint32_t index;
  struct enetjs_attempt *attempt;
  if (table->count == table->room && !grow(table)) {
    attempt = most_dispensable(table);
    if (!attempt) return NULL;
    enetjs_attempts_drop(table, attempt);
  }
  index = table->free;
  attempt = &table->attempts[index];
  table->free = attempt->next[0];
  *attempt = *wanted;
  link_attempt(table, ENETJS_ATTEMPT_BY_CONNECT, index);
  link_attempt(table, ENETJS_ATTEMPT_BY_ID, index);
  enqueue(table, ENETJS_ATTEMPT_FRESH, index, now);
  table->count++;
  return attempt;
}
