/*
 * A clock for programs that measure what a wake-up costs.
 *
 *   bench_tick RATE PORT          sends so many datagrams of 64 bytes a second to the port, until it is killed
 *   bench_tick RATE COMMAND ...   runs the command, whose standard input is a socket that brings so many bytes
 *                                 a second
 */
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common.h"

#define LIFETIME_SECONDS 60
#define DATAGRAM_BYTES 64

static void tick(int fd, double rate, size_t bytes) {
  static const char zeros[DATAGRAM_BYTES];
  struct timespec next;
  const double end = now() + LIFETIME_SECONDS;
  clock_gettime(CLOCK_MONOTONIC, &next);
  do {
    next.tv_nsec += (long)(1e9 / rate);
    while (next.tv_nsec >= 1000000000L) {
      next.tv_nsec -= 1000000000L;
      next.tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
  } while (send(fd, zeros, bytes, MSG_NOSIGNAL) >= 0 && now() < end);
}

static void send_datagrams(double rate, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail("no socket");
  tick(fd, rate, DATAGRAM_BYTES);
}

static int run(double rate, char **command) {
  int ends[2], status = 0;
  pid_t child;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) fail("no pair");
  child = fork();
  if (child < 0) fail("no process");
  if (child == 0) {
    dup2(ends[1], STDIN_FILENO);
    close(ends[0]);
    close(ends[1]);
    execv(command[0], command);
    fail("cannot run the command");
  }
  close(ends[1]);
  tick(ends[0], rate, 1);
  close(ends[0]);
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return EXIT_FAILURE;
  return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
  if (argc < 3 || atof(argv[1]) <= 0) fail("usage: bench_tick RATE PORT | RATE COMMAND ...");
  if (atoi(argv[2]) == 0) return run(atof(argv[1]), argv + 2);
  send_datagrams(atof(argv[1]), atoi(argv[2]));
  return EXIT_SUCCESS;
}
