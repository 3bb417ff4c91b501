/**
 * @file meter.h
 * @brief What each datagram costs the host, in CPU time of this thread.
 *
 * A datagram costs what is computed from the moment that ENet has it until ENet has the next one, or until
 * the service is over. What the simulated system computes is left out. A single measurement may be too high,
 * because it includes interrupts and page faults. So the costliest datagrams are noted by seed and number,
 * and a run with the same seed measures them again.
 */
#ifndef ENETJS_TESTS_FUZZ_METER_H
#define ENETJS_TESTS_FUZZ_METER_H

#include "system.h"
#include "wire/command.h"

enum { METER_NOTED = 64 };

/** A datagram: the so-manyth that ENet has had on the host of a seed, and what it holds. */
struct cost {
  uint64_t seed, number, ns;
  size_t length;
  unsigned commands[ENET_PROTOCOL_COMMAND_COUNT]; /* that the host lets through */
};

static struct {
  ENetInterceptCallback intercept; /* the host's own */
  uint64_t since;                  /* when the datagram came; 0 while there is none */
  struct cost now;
  struct cost noted[METER_NOTED]; /* the costliest first */
  size_t notes;
  uint64_t slow;                /* above 1 ms */
  uint64_t watched, watched_ns; /* a datagram by its number, and what it has cost */
} meter;

static uint64_t meter_ns(void) { return system_cpu_ns() - simulated.own_ns; }

static void meter_note(const struct cost *cost) {
  size_t at = meter.notes < METER_NOTED ? meter.notes++ : METER_NOTED - 1;
  if (at == METER_NOTED - 1 && meter.noted[at].ns >= cost->ns) return;
  for (; at > 0 && meter.noted[at - 1].ns < cost->ns; at--) meter.noted[at] = meter.noted[at - 1];
  meter.noted[at] = *cost;
}

/**
 * The service is over, or the next datagram has come. @param counts whether the time is the datagram's doing
 */
static void meter_end(bool counts) {
  if (meter.since == 0) return;
  meter.now.ns = meter_ns() - meter.since;
  meter.since = 0;
  if (meter.now.number == meter.watched) meter.watched_ns = meter.now.ns;
  if (!counts) return;
  if (meter.now.ns > 1000000) meter.slow++;
  meter_note(&meter.now);
}

static void count_commands(ENetHost *enet) {
  uint64_t before = system_cpu_ns();
  size_t header = enet->receivedData[0] & 0x80 ? 4 : 2; /* ENET_PROTOCOL_HEADER_FLAG_SENT_TIME */
  struct enetjs_command command;
  if (enet->checksum) header += 4;
  for (size_t at = header;
       at < enet->receivedDataLength &&
       enetjs_command_read(enet->receivedData + at, enet->receivedDataLength - at, &command);
       at += command.length)
    meter.now.commands[command.kind]++;
  simulated.own_ns += system_cpu_ns() - before;
}

static int ENET_CALLBACK meter_intercept(ENetHost *enet, ENetEvent *event) {
  int result;
  meter_end(true);
  meter.now.number++;
  meter.now.length = enet->receivedDataLength;
  memset(meter.now.commands, 0, sizeof(meter.now.commands));
  meter.since = meter_ns();
  result = meter.intercept(enet, event);
  if (result == 0) count_commands(enet);
  return result;
}

/** A host begins. */
static void meter_start(ENetHost *enet, uint64_t seed) {
  meter.intercept = enet->intercept;
  enet->intercept = meter_intercept;
  meter.since = 0;
  meter.now = (struct cost){.seed = seed};
}

static void meter_print(const struct cost *cost) {
  static const char *const names[ENET_PROTOCOL_COMMAND_COUNT] = {"none",
                                                                 "acknowledge",
                                                                 "connect",
                                                                 "verify connect",
                                                                 "disconnect",
                                                                 "ping",
                                                                 "send reliable",
                                                                 "send unreliable",
                                                                 "send fragment",
                                                                 "send unsequenced",
                                                                 "bandwidth limit",
                                                                 "throttle configure",
                                                                 "send unreliable fragment"};
  printf("# %.3f ms: datagram %llu of seed %llu, %zu bytes", (double)cost->ns / 1e6,
         (unsigned long long)cost->number, (unsigned long long)cost->seed, cost->length);
  for (size_t i = 0; i < ENET_PROTOCOL_COMMAND_COUNT; i++)
    if (cost->commands[i] > 0) printf(", %u x %s", cost->commands[i], names[i]);
  printf("\n");
}

#endif
