/* The memory pool: blocks of every size, several threads, trims, and counts. */
#include "base/pool.h"

#include <stdatomic.h>
#include <string.h>

#include "base/threads.h"
#include "../harness.h"

/* Both allocators, for tests that run on either. They are the same when built with ENETJS_SYSTEM_MALLOC. */
typedef void *(*allocate)(size_t);

static const allocate allocators[] = {enetjs_pool_malloc, enetjs_pool_block_take};

#define DEADLINE_MS 30000

static struct enetjs_pool_stats stats_now(void) {
  struct enetjs_pool_stats stats;
  enetjs_pool_stats(&stats);
  return stats;
}

/*
 * What a block takes: one of enetjs_pool_block_take is never a malloc of its own while a class has its size.
 */
static size_t cost_with(allocate take, size_t size) {
  enum { HEADER = 16, OVERHEAD = 32, STEPS = 8 };
  size_t step = 16;
  if (take == enetjs_pool_malloc) return enetjs_pool_cost(size);
  if (size > 8192) return size + OVERHEAD;
  while (size > STEPS * step) step *= 2;
  return (size == 0 ? step : (size + step - 1) / step * step) + HEADER;
}

/* A block begins with its own size and seed; the rest repeats a byte that follows from both. */
struct stamp {
  uint32_t size;
  uint32_t seed;
};

static unsigned char stamp_byte(struct stamp stamp) {
  return (unsigned char)((stamp.size * 31 + stamp.seed * 17) >> 2);
}

static void *stamped(allocate take, struct stamp stamp) {
  unsigned char *memory = take(stamp.size);
  if (memory) {
    memset(memory, stamp_byte(stamp), stamp.size);
    memcpy(memory, &stamp, sizeof(stamp));
  }
  return memory;
}

/* The bytes after the stamp are all alike when they equal themselves moved by one. */
static bool stamp_intact(const unsigned char *memory) {
  struct stamp stamp;
  size_t rest;
  memcpy(&stamp, memory, sizeof(stamp));
  rest = stamp.size - sizeof(stamp);
  memory += sizeof(stamp);
  return rest == 0 || (memory[0] == stamp_byte(stamp) && memcmp(memory, memory + 1, rest - 1) == 0);
}

/* Mostly small, some of each class, few above the largest; at least a stamp. */
static struct stamp stamp_random(uint64_t *random) {
  uint32_t limit = 16u << test_random_below(random, 11);
  return (struct stamp){(uint32_t)sizeof(struct stamp) + test_random_below(random, limit),
                        test_random_u32(random)};
}

static void check_sizes(allocate take) {
  static void *blocks[20001];
  for (size_t size = 0; size < TEST_COUNT(blocks); size++) {
    blocks[size] = take(size);
    CHECK(blocks[size]);
    CHECK_EQ_INT((uintptr_t)blocks[size] % 16, 0);
    memset(blocks[size], (int)(size % 251), size);
  }
  for (size_t size = 0; size < TEST_COUNT(blocks); size++) {
    const unsigned char *bytes = blocks[size];
    for (size_t i = 0; i < size; i += i < 64 || i + 64 > size ? 1 : 61) CHECK_EQ_INT(bytes[i], size % 251);
    enetjs_pool_free(blocks[size]);
  }
}

TEST(every_size_is_aligned_and_separate) {
  uint64_t live = stats_now().live_allocations;
  for (size_t i = 0; i < TEST_COUNT(allocators); i++) check_sizes(allocators[i]);
  CHECK_EQ_INT(stats_now().live_allocations, live);
}

TEST(empty_blocks_are_distinct_and_null_is_freed) {
  void *first = enetjs_pool_malloc(0);
  void *second = enetjs_pool_malloc(0);
  CHECK(first && second && first != second);
  enetjs_pool_free(first);
  enetjs_pool_free(second);
  enetjs_pool_free(NULL);
}

static uint64_t reserved_by(void **blocks, size_t count, size_t size) {
  uint64_t before = stats_now().reserved_bytes;
  for (size_t i = 0; i < count; i++) {
    blocks[i] = enetjs_pool_block_take(size);
    CHECK(blocks[i]);
  }
  for (size_t i = 0; i < count; i++) enetjs_pool_free(blocks[i]);
  return stats_now().reserved_bytes - before;
}

/* The first size above each power of two, and after each quarter step, wastes the most. */
TEST(classes_waste_less_than_a_quarter) {
  enum { COUNT = 400, HEADER = 16, SLACK = 2 * 65536 + 16384 };
  static void *blocks[COUNT];
  for (size_t power = 128; power < 8192; power *= 2)
    for (size_t size = power + 1; size < 2 * power; size += power / 4)
      CHECK(reserved_by(blocks, COUNT, size) <= COUNT * (size + size / 4 + HEADER) + SLACK);
}

static void check_interleavings(allocate take, uint64_t random) {
  enum { SLOTS = 2048, STEPS = 30000 };
  static void *slots[SLOTS];
  memset(slots, 0, sizeof(slots));
  for (int step = 0; step < STEPS; step++) {
    void **slot = &slots[test_random_below(&random, SLOTS)];
    if (!*slot) {
      *slot = stamped(take, stamp_random(&random));
      CHECK(*slot);
    } else {
      CHECK(stamp_intact(*slot));
      enetjs_pool_free(*slot);
      *slot = NULL;
    }
  }
  for (size_t i = 0; i < SLOTS; i++) {
    CHECK(!slots[i] || stamp_intact(slots[i]));
    enetjs_pool_free(slots[i]);
  }
}

TEST(contents_survive_random_interleavings) {
  struct enetjs_pool_stats before = stats_now();
  for (size_t i = 0; i < TEST_COUNT(allocators); i++)
    for (uint64_t seed = 1; seed <= 3; seed++) check_interleavings(allocators[i], seed);
  CHECK_EQ_INT(stats_now().live_allocations, before.live_allocations);
  CHECK_EQ_INT(stats_now().live_bytes, before.live_bytes);
}

static void check_counters(allocate take) {
  enum { COUNT = 300 };
  static const size_t sizes[] = {0, 1, 64, 112, 8192, 8193, 100000};
  struct enetjs_pool_stats before = stats_now();
  void *blocks[COUNT];
  uint64_t bytes = 0;
  for (size_t i = 0; i < COUNT; i++) {
    blocks[i] = take(sizes[i % TEST_COUNT(sizes)]);
    CHECK(blocks[i]);
    bytes += cost_with(take, sizes[i % TEST_COUNT(sizes)]);
    CHECK_EQ_INT(stats_now().live_allocations, before.live_allocations + i + 1);
    CHECK_EQ_INT(stats_now().live_bytes, before.live_bytes + bytes);
  }
  CHECK(stats_now().reserved_bytes >= stats_now().live_bytes);
  for (size_t i = 0; i < COUNT; i++) enetjs_pool_free(blocks[i]);
  CHECK_EQ_INT(stats_now().live_allocations, before.live_allocations);
  CHECK_EQ_INT(stats_now().live_bytes, before.live_bytes);
}

TEST(live_counters_are_exact) {
  for (size_t i = 0; i < TEST_COUNT(allocators); i++) check_counters(allocators[i]);
}

TEST(huge_blocks_work_and_impossible_ones_are_refused) {
  struct enetjs_pool_stats before = stats_now();
  size_t size = (size_t)64 << 20;
  unsigned char *memory;
  for (size_t i = 0; i < TEST_COUNT(allocators); i++) {
    CHECK(allocators[i](SIZE_MAX) == NULL);
    CHECK(allocators[i](SIZE_MAX - 15) == NULL);
    CHECK(allocators[i]((size_t)PTRDIFF_MAX) == NULL);
    memory = allocators[i](size);
    CHECK(memory);
    CHECK_EQ_INT((uintptr_t)memory % 16, 0);
    CHECK_EQ_INT(stats_now().live_bytes, before.live_bytes + cost_with(allocators[i], size));
    memory[0] = memory[size - 1] = 1;
    enetjs_pool_free(memory);
  }
  CHECK_EQ_INT(stats_now().live_bytes, before.live_bytes);
  CHECK_EQ_INT(stats_now().reserved_bytes, before.reserved_bytes);
}

/* A queue for one producer and one consumer; a slot is NULL when it is the producer's turn. */
enum { QUEUE_SLOTS = 1024, QUEUE_BLOCKS = 20000 };

struct queue {
  allocate take;
  uint64_t deadline;
  _Atomic(void *) slots[QUEUE_SLOTS];
  size_t produced;
  size_t consumed;
};

static void produce(void *argument) {
  struct queue *queue = argument;
  uint64_t random = 7;
  while (queue->produced < QUEUE_BLOCKS && !test_deadline_passed(queue->deadline)) {
    _Atomic(void *) *slot = &queue->slots[queue->produced % QUEUE_SLOTS];
    if (atomic_load_explicit(slot, memory_order_acquire) != NULL) {
      test_yield();
      continue;
    }
    atomic_store_explicit(slot, stamped(queue->take, stamp_random(&random)), memory_order_release);
    queue->produced++;
  }
}

/* Stops at the first broken block. */
static void consume(struct queue *queue) {
  while (queue->consumed < QUEUE_BLOCKS && !test_deadline_passed(queue->deadline)) {
    _Atomic(void *) *slot = &queue->slots[queue->consumed % QUEUE_SLOTS];
    void *memory = atomic_load_explicit(slot, memory_order_acquire);
    if (!memory) {
      test_yield();
      continue;
    }
    if (!stamp_intact(memory)) return;
    enetjs_pool_free(memory);
    atomic_store_explicit(slot, NULL, memory_order_release);
    queue->consumed++;
  }
}

static void check_transfer(allocate take) {
  static struct queue queue;
  struct enetjs_pool_stats before = stats_now();
  enetjs_thread producer;
  memset(&queue, 0, sizeof(queue));
  queue.take = take;
  queue.deadline = test_deadline_ms(DEADLINE_MS);
  CHECK(enetjs_thread_start(&producer, produce, &queue));
  consume(&queue);
  enetjs_thread_join(producer);
  CHECK_EQ_INT(queue.produced, QUEUE_BLOCKS);
  CHECK_EQ_INT(queue.consumed, QUEUE_BLOCKS);
  CHECK_EQ_INT(stats_now().live_allocations, before.live_allocations);
  CHECK_EQ_INT(stats_now().live_bytes, before.live_bytes);
}

TEST(one_thread_frees_what_another_allocates) {
  for (size_t i = 0; i < TEST_COUNT(allocators); i++) check_transfer(allocators[i]);
}

/*
 * Blocks that went one way through the queue come back for the next round: reserved memory is
 * bounded by what is live, not by what has passed.
 */
TEST(memory_freed_by_another_thread_is_used_again) {
  uint64_t reserved;
  check_transfer(enetjs_pool_block_take);
  reserved = stats_now().reserved_bytes;
  for (int round = 0; round < 3; round++) check_transfer(enetjs_pool_block_take);
  CHECK(stats_now().reserved_bytes <= reserved + (8 << 20));
}

/* Threads that swap blocks with each other at random through a shared table. */
enum { HAMMER_THREADS = 4, HAMMER_SLOTS = 512, HAMMER_STEPS = 25000 };

struct hammer {
  allocate take;
  uint64_t random;
  _Atomic(void *) *slots;
  bool broken;
};

static void hammer_run(void *argument) {
  struct hammer *hammer = argument;
  for (int step = 0; step < HAMMER_STEPS && !hammer->broken; step++) {
    void *mine = stamped(hammer->take, stamp_random(&hammer->random));
    void *theirs = atomic_exchange(&hammer->slots[test_random_below(&hammer->random, HAMMER_SLOTS)], mine);
    hammer->broken = !mine || (theirs && !stamp_intact(theirs));
    enetjs_pool_free(theirs);
  }
}

static void check_hammering(allocate take) {
  static _Atomic(void *) slots[HAMMER_SLOTS];
  struct enetjs_pool_stats before = stats_now();
  struct hammer hammers[HAMMER_THREADS];
  enetjs_thread threads[HAMMER_THREADS];
  for (unsigned i = 0; i < HAMMER_THREADS; i++) {
    hammers[i] = (struct hammer){.take = take, .random = i, .slots = slots};
    CHECK(enetjs_thread_start(&threads[i], hammer_run, &hammers[i]));
  }
  for (unsigned i = 0; i < HAMMER_THREADS; i++) enetjs_thread_join(threads[i]);
  for (unsigned i = 0; i < HAMMER_SLOTS; i++) enetjs_pool_free(atomic_exchange(&slots[i], NULL));
  for (unsigned i = 0; i < HAMMER_THREADS; i++) CHECK(!hammers[i].broken);
  CHECK_EQ_INT(stats_now().live_allocations, before.live_allocations);
  CHECK_EQ_INT(stats_now().live_bytes, before.live_bytes);
}

TEST(threads_hammer_the_pool_together) {
  for (size_t i = 0; i < TEST_COUNT(allocators); i++) check_hammering(allocators[i]);
}

enum { SHORT_LIVED_BLOCKS = 200 };

struct short_lived {
  void *kept;
  bool failed;
};

static void short_lived_run(void *argument) {
  struct short_lived *thread = argument;
  void *blocks[SHORT_LIVED_BLOCKS];
  for (size_t i = 0; i < SHORT_LIVED_BLOCKS; i++) {
    blocks[i] = enetjs_pool_block_take(i * 40);
    thread->failed |= !blocks[i];
  }
  for (size_t i = 0; i < SHORT_LIVED_BLOCKS; i++) enetjs_pool_free(blocks[i]);
  thread->kept = enetjs_pool_block_take(100);
}

static void check_short_lived_thread(void) {
  struct enetjs_pool_stats before = stats_now();
  struct short_lived thread = {0};
  enetjs_thread handle;
  CHECK(enetjs_thread_start(&handle, short_lived_run, &thread));
  enetjs_thread_join(handle);
  CHECK(!thread.failed && thread.kept);
  CHECK_EQ_INT(stats_now().live_allocations, before.live_allocations + 1);
  CHECK_EQ_INT(stats_now().live_bytes, before.live_bytes + cost_with(enetjs_pool_block_take, 100));
  enetjs_pool_free(thread.kept);
}

/*
 * A few threads first: the block each leaves behind ends up in this thread's magazine, which holds
 * a bounded number of them.
 */
TEST(exiting_threads_return_their_magazines) {
  struct enetjs_pool_stats before;
  for (int i = 0; i < 100; i++) check_short_lived_thread();
  before = stats_now();
  for (int i = 0; i < 1000; i++) check_short_lived_thread();
  CHECK_EQ_INT(stats_now().reserved_bytes, before.reserved_bytes);
  CHECK_EQ_INT(stats_now().live_allocations, before.live_allocations);
  CHECK_EQ_INT(stats_now().live_bytes, before.live_bytes);
}

/*
 * A key destructor that sets its key again is called again. POSIX promises four rounds; the last
 * call then comes after the pool's own destructor had its last: such a thread must still be able to
 * allocate and free, and must not keep what it freed. ThreadSanitizer takes its own leave of the
 * thread in the last rounds.
 */
#ifdef __SANITIZE_THREAD__
enum { LATE_CALLS = 2 };
#else
enum { LATE_CALLS = 4 };
#endif

static enetjs_key late_key;

static void ENETJS_KEY_CALL late_destructor(void *value) {
  int *calls = value;
  enetjs_pool_free(enetjs_pool_block_take(100));
  if (++*calls < LATE_CALLS) enetjs_key_set(late_key, calls);
}

static void late_run(void *calls) {
  enetjs_pool_free(enetjs_pool_block_take(100));
  enetjs_key_set(late_key, calls);
}

static void check_late_thread(void) {
  enetjs_thread thread;
  int calls = 0;
  CHECK(enetjs_thread_start(&thread, late_run, &calls));
  enetjs_thread_join(thread);
  CHECK(calls > 0);
}

TEST(destructors_after_the_pools_own_may_still_use_it) {
  struct enetjs_pool_stats before;
  CHECK(enetjs_key_create(&late_key, late_destructor));
  for (int i = 0; i < 10; i++) check_late_thread();
  before = stats_now();
  for (int i = 0; i < 1000; i++) check_late_thread();
  CHECK_EQ_INT(stats_now().reserved_bytes, before.reserved_bytes);
  CHECK_EQ_INT(stats_now().live_allocations, before.live_allocations);
  CHECK_EQ_INT(stats_now().live_bytes, before.live_bytes);
}

/* What a trim is looking through is free all the same. */
enum { TRIMMED_BLOCKS = 200000 };

static atomic_bool trim_is_over;

static void trim_run(void *argument) {
  (void)argument;
  enetjs_pool_trim();
  atomic_store(&trim_is_over, true);
}

TEST(a_trim_makes_no_block_seem_live) {
  struct enetjs_pool_stats before = stats_now();
  void **blocks = malloc(TRIMMED_BLOCKS * sizeof(*blocks));
  enetjs_thread thread;
  uint64_t full;
  CHECK(blocks != NULL);
  for (size_t i = 0; i < TRIMMED_BLOCKS; i++) CHECK((blocks[i] = enetjs_pool_block_take(64)) != NULL);
  for (size_t i = 0; i < TRIMMED_BLOCKS; i++) enetjs_pool_free(blocks[i]);
  free(blocks);
  CHECK(enetjs_pool_slack());
  full = stats_now().reserved_bytes;
  CHECK(enetjs_thread_start(&thread, trim_run, NULL));
  while (!atomic_load(&trim_is_over)) CHECK_EQ_INT(stats_now().live_allocations, before.live_allocations);
  enetjs_thread_join(thread);
  CHECK(stats_now().reserved_bytes < full);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(every_size_is_aligned_and_separate),
      TEST_CASE(empty_blocks_are_distinct_and_null_is_freed),
      TEST_CASE(classes_waste_less_than_a_quarter),
      TEST_CASE(contents_survive_random_interleavings),
      TEST_CASE(live_counters_are_exact),
      TEST_CASE(huge_blocks_work_and_impossible_ones_are_refused),
      TEST_CASE(one_thread_frees_what_another_allocates),
      TEST_CASE(memory_freed_by_another_thread_is_used_again),
      TEST_CASE(threads_hammer_the_pool_together),
      TEST_CASE(exiting_threads_return_their_magazines),
      TEST_CASE(destructors_after_the_pools_own_may_still_use_it),
      TEST_CASE(a_trim_makes_no_block_seem_live),
  };
  return test_run(cases, TEST_COUNT(cases));
}
