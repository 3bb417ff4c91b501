/*
 * The simulated network of a host.
 *
 * A link has two paths, one for each direction. A datagram that enters a path passes these in order:
 *
 *   blackout   drops every datagram until its end
 *   rate       carries one datagram after the other; the others wait in a queue of limited bytes, and a
 *              datagram that finds no room there is dropped
 *   loss       drops datagrams by the two states of Gilbert and Elliott; they have used the rate
 *   corrupt    flips one bit
 *   delay      latency and jitter; datagrams arrive in the order in which they entered,
 *   reorder    except those that are delayed more, which later ones overtake
 *   duplicate  the datagram arrives twice in a row
 *
 * Determinism: each path has a generator of its own, and every datagram takes DRAWS numbers from it whatever
 * its fate. So the fate of the n-th datagram of a path depends on the seed and on n. It depends neither on
 * the other settings nor on the fate of the datagrams before it. The generator is PCG32: a linear
 * congruential generator of 64 bits with a permuted output (M. E. O'Neill, "PCG: A Family of Simple Fast
 * Space-Efficient Statistically Good Algorithms for Random Number Generation", 2014); the increment selects
 * the path's sequence.
 *
 * Memory: what is held takes ENETJS_HELD_BYTES for each direction at most, with the overhead of each
 * datagram. What exceeds that is lost and counted.
 */
#include "wire/conditions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

#define US_PER_MS 1000
#define US_PER_SECOND 1e6
#define MAXIMUM_MS 60000
#define JITTER_LIMIT 20     /* a delay of the distribution with the long tail, at most, in jitters */
#define TWO_TO_32 4294967296.0
#define FIRST_HELD 64       /* places of a queue at first */

enum draw {
  DRAW_STATE,
  DRAW_LOSS,
  DRAW_CORRUPT,
  DRAW_BIT,
  DRAW_DUPLICATE,
  DRAW_REORDER,
  DRAW_JITTER,
  DRAW_MORE_JITTER,
  DRAWS
};

struct generator {
  uint64_t state, increment;
};

/** One direction of a link. */
struct path {
  double condition[ENETJS_CONDITION_COUNT];
  struct generator generator;
  bool bad;           /**< of the two states of its loss */
  double idle_us;     /**< when all that has entered is carried */
  uint64_t latest_us; /**< what enters now does not arrive earlier */
};

struct link {
  uint32_t first, last; /**< addresses, in host byte order */
  uint16_t port;        /**< 0: any */
  struct path paths[ENETJS_DIRECTIONS];
};

struct held {
  struct enetjs_passed passed;
  uint64_t due_us, number; /**< of two that are due at the same time, the lower number comes first */
  uint8_t bytes[];
};

/** A datagram that enters, and the numbers that decide about it. */
struct entering {
  enum enetjs_direction direction;
  const struct enetjs_endpoint *address;
  const ENetBuffer *buffers;
  size_t count, length;
  uint64_t now_us;
  uint32_t drawn[DRAWS];
};

/** What is held: a binary heap, the next one first. */
struct queue {
  struct held **heap;
  size_t count, room;
  size_t bytes; /**< with overhead */
};

struct enetjs_conditions {
  struct link *links; /**< the first one is for addresses that no other is for; NULL once they have ended */
  size_t count;
  uint64_t blackout_until_us;
  uint64_t entered;
  struct queue queues[ENETJS_DIRECTIONS];
  double fates[ENETJS_DIRECTIONS][ENETJS_FATE_COUNT];
};

/* ---- Random numbers -------------------------------------------------------------------------- */

static uint32_t draw(struct generator *generator) {
  uint64_t old = generator->state;
  uint32_t shifted = (uint32_t)(((old >> 18) ^ old) >> 27), rotation = (uint32_t)(old >> 59);
  generator->state = old * 6364136223846793005u + generator->increment;
  return (shifted >> rotation) | (shifted << (-rotation & 31));
}

static void seed_generator(struct generator *generator, uint32_t seed, uint64_t sequence) {
  generator->state = 0;
  generator->increment = sequence << 1 | 1;
  draw(generator);
  generator->state += seed;
  draw(generator);
}

static bool happens(uint32_t drawn, double share) { return drawn < share * TWO_TO_32; }

/* ---- What is held ---------------------------------------------------------------------------- */

static bool comes_before(const struct held *a, const struct held *b) {
  return a->due_us < b->due_us || (a->due_us == b->due_us && a->number < b->number);
}

static bool grow(struct queue *queue) {
  size_t room = queue->room ? 2 * queue->room : FIRST_HELD;
  struct held **heap = realloc(queue->heap, room * sizeof(struct held *));
  if (!heap) return false;
  queue->heap = heap;
  queue->room = room;
  return true;
}

static size_t cost_of(size_t length) { return sizeof(struct held) + sizeof(struct held *) + length; }

static void push(struct queue *queue, struct held *held) {
  size_t at = queue->count++;
  for (; at > 0 && comes_before(held, queue->heap[(at - 1) / 2]); at = (at - 1) / 2)
    queue->heap[at] = queue->heap[(at - 1) / 2];
  queue->heap[at] = held;
  queue->bytes += cost_of(held->passed.length);
}

static void pop(struct queue *queue) {
  struct held *first = queue->heap[0], *last = queue->heap[--queue->count];
  size_t at = 0, child;
  queue->bytes -= cost_of(first->passed.length);
  free(first);
  while ((child = 2 * at + 1) < queue->count) {
    if (child + 1 < queue->count && comes_before(queue->heap[child + 1], queue->heap[child])) child++;
    if (!comes_before(queue->heap[child], last)) break;
    queue->heap[at] = queue->heap[child];
    at = child;
  }
  if (queue->count > 0) queue->heap[at] = last;
}

/* @returns a copy that is held, or NULL where there is no room for it */
static struct held *hold(struct enetjs_conditions *conditions, const struct entering *entering,
                         uint64_t due_us) {
  struct queue *queue = &conditions->queues[entering->direction];
  uint8_t *end;
  struct held *held;
  if (queue->bytes + cost_of(entering->length) > ENETJS_HELD_BYTES) return NULL;
  if (queue->count == queue->room && !grow(queue)) return NULL;
  held = malloc(sizeof(*held) + entering->length);
  if (!held) return NULL;
  held->passed.address = *entering->address;
  held->passed.length = entering->length;
  held->passed.bytes = end = held->bytes;
  for (size_t i = 0; i < entering->count; end += entering->buffers[i++].dataLength)
    if (entering->buffers[i].dataLength > 0)
      memcpy(end, entering->buffers[i].data, entering->buffers[i].dataLength);
  held->due_us = due_us;
  held->number = conditions->entered++;
  push(queue, held);
  return held;
}

const struct enetjs_passed *enetjs_conditions_due(const struct enetjs_conditions *conditions,
                                                  enum enetjs_direction direction, uint64_t now_us) {
  const struct queue *queue = &conditions->queues[direction];
  if (queue->count == 0 || (conditions->links && queue->heap[0]->due_us > now_us)) return NULL;
  return &queue->heap[0]->passed;
}

void enetjs_conditions_release(struct enetjs_conditions *conditions, enum enetjs_direction direction) {
  pop(&conditions->queues[direction]);
}

int enetjs_conditions_wait(const struct enetjs_conditions *conditions, uint64_t now_us) {
  uint64_t due_us = UINT64_MAX;
  for (int direction = 0; direction < ENETJS_DIRECTIONS; direction++) {
    const struct queue *queue = &conditions->queues[direction];
    if (queue->count == 0) continue;
    if (!conditions->links) return 0;
    if (queue->heap[0]->due_us < due_us) due_us = queue->heap[0]->due_us;
  }
  if (due_us == UINT64_MAX) return -1;
  return due_us <= now_us ? 0 : (int)((due_us - now_us + US_PER_MS - 1) / US_PER_MS);
}

/* ---- Fates ----------------------------------------------------------------------------------- */

static struct link *link_of(struct enetjs_conditions *conditions, const struct enetjs_endpoint *address) {
  uint32_t host = enetjs_endpoint_ipv4(address);
  if (!enetjs_endpoint_is_ipv4(address)) return conditions->links;
  for (size_t i = 1; i < conditions->count; i++) {
    struct link *link = &conditions->links[i];
    if (host >= link->first && host <= link->last && (link->port == 0 || link->port == address->port))
      return link;
  }
  return conditions->links;
}

/* The states change before each datagram. @returns whether it is lost */
static bool loses(struct path *path, const uint32_t *drawn) {
  const double *condition = path->condition;
  bool changes =
      happens(drawn[DRAW_STATE], condition[path->bad ? ENETJS_CONDITION_TO_GOOD : ENETJS_CONDITION_TO_BAD]);
  path->bad = path->bad != changes;
  return !happens(drawn[DRAW_LOSS],
                  condition[path->bad ? ENETJS_CONDITION_PASS_BAD : ENETJS_CONDITION_PASS_GOOD]);
}

/* In jitters. */
static double deviation(const struct path *path, const uint32_t *drawn) {
  double even = drawn[DRAW_JITTER] / TWO_TO_32, sum;
  switch ((int)path->condition[ENETJS_CONDITION_DISTRIBUTION]) {
    case ENETJS_JITTER_NORMAL:
      /*
       * The sum of four even numbers is close to normal, has no tails, and is the same with every C library.
       */
      sum = (drawn[DRAW_JITTER] >> 16) + (drawn[DRAW_JITTER] & 0xFFFF) + (drawn[DRAW_MORE_JITTER] >> 16) +
            (double)(drawn[DRAW_MORE_JITTER] & 0xFFFF);
      return (sum / 65536 - 2) * sqrt(3);
    case ENETJS_JITTER_PARETO:
      /* Lomax with the shape 3 and the mean 1. */
      return fmin(2 * (1 / cbrt(1 - even) - 1), JITTER_LIMIT);
    default: return 2 * even - 1;
  }
}

static uint64_t delay_us(const struct path *path, const uint32_t *drawn) {
  double ms = path->condition[ENETJS_CONDITION_LATENCY_MS] +
              path->condition[ENETJS_CONDITION_JITTER_MS] * deviation(path, drawn);
  return ms > 0 ? (uint64_t)(ms * US_PER_MS) : 0;
}

/* @returns false when the queue has no room; else `*at_us` becomes the time when the path has carried it */
static bool carry(struct path *path, size_t length, uint64_t *at_us) {
  double rate = path->condition[ENETJS_CONDITION_RATE], now = (double)*at_us, waiting;
  if (rate == 0) return true;
  waiting = (path->idle_us - now) * rate / US_PER_SECOND;
  if (waiting > 0 && waiting + (double)length > path->condition[ENETJS_CONDITION_QUEUE_BYTES]) return false;
  path->idle_us = (waiting > 0 ? path->idle_us : now) + (double)length * US_PER_SECOND / rate;
  *at_us = (uint64_t)path->idle_us;
  return true;
}

static void corrupt(struct held *held, uint32_t drawn) {
  size_t bit = (size_t)((uint64_t)drawn * (held->passed.length * 8) >> 32);
  held->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* @returns when it arrives */
static uint64_t arrival_us(struct path *path, const uint32_t *drawn, bool late, uint64_t carried_us) {
  uint64_t due_us = carried_us + delay_us(path, drawn);
  if (due_us < path->latest_us) due_us = path->latest_us;
  if (late) return due_us + (uint64_t)(path->condition[ENETJS_CONDITION_REORDER_MS] * US_PER_MS);
  return path->latest_us = due_us;
}

/* It has passed, and arrives once or twice, perhaps changed. @returns false where there is no room for it */
static bool arrive(struct enetjs_conditions *conditions, const struct entering *entering,
                   const double *condition, uint64_t due_us) {
  const uint32_t *drawn = entering->drawn;
  double *fates = conditions->fates[entering->direction];
  struct held *held = hold(conditions, entering, due_us), *second;
  if (!held) return false;
  if (happens(drawn[DRAW_DUPLICATE], condition[ENETJS_CONDITION_DUPLICATE])) {
    second = hold(conditions, entering, due_us);
    if (second) fates[ENETJS_FATE_DUPLICATED]++;
  }
  if (entering->length > 0 && happens(drawn[DRAW_CORRUPT], condition[ENETJS_CONDITION_CORRUPT])) {
    corrupt(held, drawn[DRAW_BIT]);
    fates[ENETJS_FATE_CORRUPTED]++;
  }
  return true;
}

/* @returns an ENETJS_FATE_…: that it has passed, or why it is lost */
static int fate_of(struct enetjs_conditions *conditions, struct path *path, const struct entering *entering) {
  const double *condition = path->condition;
  const uint32_t *drawn = entering->drawn;
  bool lost = loses(path, drawn), late = happens(drawn[DRAW_REORDER], condition[ENETJS_CONDITION_REORDER]);
  uint64_t carried_us = entering->now_us;
  if (entering->now_us < conditions->blackout_until_us) return ENETJS_FATE_BLACKED_OUT;
  if (!carry(path, entering->length, &carried_us)) return ENETJS_FATE_QUEUE_FULL;
  if (lost) return ENETJS_FATE_LOST;
  if (!arrive(conditions, entering, condition, arrival_us(path, drawn, late, carried_us)))
    return ENETJS_FATE_MEMORY_FULL;
  if (late) conditions->fates[entering->direction][ENETJS_FATE_REORDERED]++;
  return ENETJS_FATE_PASSED;
}

void enetjs_conditions_enter(struct enetjs_conditions *conditions, enum enetjs_direction direction,
                             const struct enetjs_endpoint *address, const ENetBuffer *buffers, size_t count,
                             uint64_t now_us) {
  struct entering entering = {direction, address, buffers, count, 0, now_us, {0}};
  struct path *path;
  for (size_t i = 0; i < count; i++) entering.length += buffers[i].dataLength;
  if (!conditions->links) {
    hold(conditions, &entering, now_us);
    return;
  }
  path = &link_of(conditions, address)->paths[direction];
  for (int i = 0; i < DRAWS; i++) entering.drawn[i] = draw(&path->generator);
  conditions->fates[direction][fate_of(conditions, path, &entering)]++;
}

void enetjs_conditions_blackout(struct enetjs_conditions *conditions, uint64_t until_us) {
  conditions->blackout_until_us = until_us;
}

void enetjs_conditions_stats(const struct enetjs_conditions *conditions, double *out) {
  for (int direction = 0; direction < ENETJS_DIRECTIONS; direction++, out += ENETJS_FATE_COUNT) {
    memcpy(out, conditions->fates[direction], sizeof(conditions->fates[direction]));
    out[ENETJS_FATE_HELD] = (double)conditions->queues[direction].count;
  }
}

/* ---- Settings -------------------------------------------------------------------------------- */

_Static_assert(ENETJS_LINK_RECEIVED == ENETJS_LINK_SENT + ENETJS_CONDITION_COUNT, "a path follows the other");
_Static_assert(ENETJS_LINK_COUNT == ENETJS_LINK_RECEIVED + ENETJS_CONDITION_COUNT, "paths end a link");

static bool is_between(double value, double minimum, double maximum) {
  return value >= minimum && value <= maximum;
}

static bool path_valid(const double *condition) {
  static const int shares[] = {ENETJS_CONDITION_TO_BAD,    ENETJS_CONDITION_TO_GOOD,
                               ENETJS_CONDITION_PASS_BAD,  ENETJS_CONDITION_PASS_GOOD,
                               ENETJS_CONDITION_DUPLICATE, ENETJS_CONDITION_REORDER,
                               ENETJS_CONDITION_CORRUPT};
  static const int times[] = {ENETJS_CONDITION_LATENCY_MS, ENETJS_CONDITION_JITTER_MS,
                              ENETJS_CONDITION_REORDER_MS};
  for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
    if (!is_between(condition[shares[i]], 0, 1)) return false;
  for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
    if (!is_between(condition[times[i]], 0, MAXIMUM_MS)) return false;
  return enetjs_is_integer(condition[ENETJS_CONDITION_DISTRIBUTION], 0, ENETJS_JITTER_PARETO) &&
         (condition[ENETJS_CONDITION_RATE] == 0 ||
          is_between(condition[ENETJS_CONDITION_RATE], 1, UINT32_MAX)) &&
         is_between(condition[ENETJS_CONDITION_QUEUE_BYTES], 0, UINT32_MAX);
}

bool enetjs_conditions_valid(const double *links, size_t count) {
  for (size_t i = 0; i < count; i++, links += ENETJS_LINK_COUNT)
    if (!enetjs_is_integer(links[ENETJS_LINK_FIRST], 0, UINT32_MAX) ||
        !enetjs_is_integer(links[ENETJS_LINK_LAST], links[ENETJS_LINK_FIRST], UINT32_MAX) ||
        !enetjs_is_integer(links[ENETJS_LINK_PORT], 0, 65535) || !path_valid(links + ENETJS_LINK_SENT) ||
        !path_valid(links + ENETJS_LINK_RECEIVED))
      return false;
  return count > 0;
}

/* When the last of what is held is due, of those that are not late on purpose. */
static uint64_t latest_of(const struct enetjs_conditions *conditions, int direction) {
  uint64_t latest_us = 0;
  for (size_t i = 0; i < conditions->count; i++)
    if (conditions->links[i].paths[direction].latest_us > latest_us)
      latest_us = conditions->links[i].paths[direction].latest_us;
  return latest_us;
}

bool enetjs_conditions_replace(struct enetjs_conditions *conditions, const double *links, size_t count,
                               uint32_t seed) {
  struct link *replacement = calloc(count, sizeof(*replacement));
  if (!replacement) return false;
  for (size_t i = 0; i < count; i++, links += ENETJS_LINK_COUNT) {
    replacement[i].first = (uint32_t)links[ENETJS_LINK_FIRST];
    replacement[i].last = (uint32_t)links[ENETJS_LINK_LAST];
    replacement[i].port = (uint16_t)links[ENETJS_LINK_PORT];
    for (int direction = 0; direction < ENETJS_DIRECTIONS; direction++) {
      struct path *path = &replacement[i].paths[direction];
      memcpy(path->condition, links + ENETJS_LINK_SENT + direction * ENETJS_CONDITION_COUNT,
             sizeof(path->condition));
      seed_generator(&path->generator, seed, i * ENETJS_DIRECTIONS + (size_t)direction);
      path->latest_us = latest_of(conditions, direction);
    }
  }
  free(conditions->links);
  conditions->links = replacement;
  conditions->count = count;
  conditions->blackout_until_us = 0;
  memset(conditions->fates, 0, sizeof(conditions->fates));
  return true;
}

void enetjs_conditions_end(struct enetjs_conditions *conditions) {
  free(conditions->links);
  conditions->links = NULL;
  conditions->count = 0;
}

bool enetjs_conditions_over(const struct enetjs_conditions *conditions) {
  return !conditions->links && conditions->queues[ENETJS_SENT].count == 0 &&
         conditions->queues[ENETJS_RECEIVED].count == 0;
}

struct enetjs_conditions *enetjs_conditions_create(void) {
  return calloc(1, sizeof(struct enetjs_conditions));
}

void enetjs_conditions_destroy(struct enetjs_conditions *conditions) {
  if (!conditions) return;
  for (int direction = 0; direction < ENETJS_DIRECTIONS; direction++) {
    struct queue *queue = &conditions->queues[direction];
    for (size_t i = 0; i < queue->count; i++) free(queue->heap[i]);
    free(queue->heap);
  }
  free(conditions->links);
  free(conditions);
}
