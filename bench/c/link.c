/*
 * An emulated link between two network namespaces, which programs pass with their real kernel stacks.
 *
 *   bench_link open RTT_MS JITTER_MS LOSS_PERCENT RATE_BYTES QUEUE_MS SEED
 *     makes two namespaces with a TUN device in each, and passes packets between them until its stdin is
 *     closed. Prints `pid N`, `left FD` and `right FD`. Left is 10.77.0.1, right is 10.77.0.2.
 *   bench_link run NAMESPACE COMMAND...
 *     runs a command in /proc/PID/fd/FD, see namespaces.h.
 *
 * Each direction has half of RTT_MS. In a direction, a packet waits for those before it to be sent at
 * RATE_BYTES a second; it is dropped where more than QUEUE_MS of packets wait. It is lost with the
 * probability LOSS_PERCENT, and arrives after its delay, which JITTER_MS makes longer or shorter; never
 * before an earlier one. Sizes are those of IP packets. RATE_BYTES 0 is no limit.
 *
 * The namespaces have no names: the system removes them with the last process that holds them.
 */
#include "namespaces.h"
#include <stdint.h>
#include <time.h>

#define PACKET_BYTES 2048 /* above the MTU of the devices, which is 1500 */
#define PLACES 16384      /* packets under way in a direction at most */
#define NS_PER_MS 1000000

struct packet {
  uint64_t due_ns;
  size_t length;
  uint8_t bytes[PACKET_BYTES];
};

/* A direction: a ring of packets, in the order in which they arrive. */
struct direction {
  int from, to;
  uint64_t random, idle_ns, latest_ns;
  unsigned first, count;
  struct packet *packets;
};

static struct {
  uint64_t delay_ns, jitter_ns, queue_ns;
  double loss, rate;
} emulated;

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* A number from 0 to below 1 (splitmix64). */
static double draw(struct direction *direction) {
  uint64_t x = direction->random += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return (double)((x ^ x >> 31) >> 11) / 9007199254740992.0;
}

/* ---- Passing packets ------------------------------------------------------------------------- */

/* @returns when a packet is sent, or 0 where the queue is full */
static uint64_t send_at(struct direction *direction, size_t length, uint64_t now) {
  uint64_t start = direction->idle_ns > now ? direction->idle_ns : now;
  if (emulated.rate == 0) return now;
  if (start - now > emulated.queue_ns) return 0;
  return direction->idle_ns = start + (uint64_t)((double)length * 1e9 / emulated.rate);
}

static void enter(struct direction *direction, struct packet *packet, uint64_t now) {
  double chance = draw(direction), varies = draw(direction);
  uint64_t sent = send_at(direction, packet->length, now);
  if (sent == 0 || chance < emulated.loss) return;
  packet->due_ns =
      sent + emulated.delay_ns - emulated.jitter_ns + (uint64_t)(2 * varies * (double)emulated.jitter_ns);
  if (packet->due_ns < direction->latest_ns) packet->due_ns = direction->latest_ns;
  direction->latest_ns = packet->due_ns;
  direction->count++;
}

static void take_in(struct direction *direction) {
  while (direction->count < PLACES) {
    struct packet *packet = &direction->packets[(direction->first + direction->count) % PLACES];
    ssize_t length = read(direction->from, packet->bytes, PACKET_BYTES);
    if (length <= 0) return;
    packet->length = (size_t)length;
    enter(direction, packet, now_ns());
  }
}

static void put_out(struct direction *direction, uint64_t now) {
  while (direction->count > 0) {
    struct packet *packet = &direction->packets[direction->first];
    if (packet->due_ns > now) return;
    /* What the device does not take is lost. */
    if (write(direction->to, packet->bytes, packet->length) < 0 && errno != EAGAIN && errno != EINVAL)
      fail("a device failed");
    direction->first = (direction->first + 1) % PLACES;
    direction->count--;
  }
}

/* Until stdin is closed, which happens whatever becomes of the program at its other end. */
static void pass(struct direction directions[2]) {
  struct pollfd fds[3] = {
      {STDIN_FILENO, POLLIN, 0}, {directions[0].from, POLLIN, 0}, {directions[1].from, POLLIN, 0}};
  for (;;) {
    uint64_t now = now_ns(), due = now + 1000 * (uint64_t)NS_PER_MS, wait;
    struct timespec timeout;
    char input;
    for (int i = 0; i < 2; i++)
      if (directions[i].count > 0 && directions[i].packets[directions[i].first].due_ns < due)
        due = directions[i].packets[directions[i].first].due_ns;
    wait = due > now ? due - now : 0;
    timeout.tv_sec = (time_t)(wait / 1000000000);
    timeout.tv_nsec = (long)(wait % 1000000000);
    if (ppoll(fds, 3, &timeout, NULL) < 0 && errno != EINTR) fail("poll");
    if (fds[0].revents && read(STDIN_FILENO, &input, 1) <= 0) return;
    for (int i = 0; i < 2; i++) take_in(&directions[i]);
    now = now_ns();
    for (int i = 0; i < 2; i++) put_out(&directions[i], now);
  }
}

static void open_link(char **arguments) {
  struct direction directions[2] = {{0}};
  int left, right, left_namespace, right_namespace;
  emulated.delay_ns = (uint64_t)(atof(arguments[0]) / 2 * NS_PER_MS);
  emulated.jitter_ns = (uint64_t)(atof(arguments[1]) * NS_PER_MS);
  emulated.loss = atof(arguments[2]) / 100;
  emulated.rate = atof(arguments[3]);
  emulated.queue_ns = (uint64_t)(atof(arguments[4]) * NS_PER_MS);
  if (emulated.jitter_ns > emulated.delay_ns) emulated.jitter_ns = emulated.delay_ns;
  prctl(PR_SET_TIMERSLACK, 1000); /* nanoseconds */
  left = make_end("10.77.0.1", &left_namespace);
  right = make_end("10.77.0.2", &right_namespace);
  for (int i = 0; i < 2; i++) {
    directions[i].from = i == 0 ? left : right;
    directions[i].to = i == 0 ? right : left;
    directions[i].random = (uint64_t)atol(arguments[5]) * 2 + (uint64_t)i;
    directions[i].packets = malloc(PLACES * sizeof(struct packet));
    if (!directions[i].packets) fail("no memory");
  }
  printf("pid %d\nleft %d\nright %d\n", (int)getpid(), left_namespace, right_namespace);
  fflush(stdout);
  pass(directions);
}

int main(int count, char **arguments) {
  if (count == 8 && strcmp(arguments[1], "open") == 0) {
    open_link(arguments + 2);
    return EXIT_SUCCESS;
  }
  if (count > 3 && strcmp(arguments[1], "run") == 0) return run(arguments[2], arguments + 3);
  fprintf(stderr,
          "usage: bench_link open RTT_MS JITTER_MS LOSS_PERCENT RATE_BYTES QUEUE_MS SEED | run NAMESPACE "
          "COMMAND...\n");
  return EXIT_FAILURE;
}
