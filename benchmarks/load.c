/* HTTP/1.1 requests on connections that are kept open to a port of this machine, sent only to be timed. In C, so that
 * what is measured keeps the machine.
 *
 *   load PORT CONNECTIONS COUNT SECONDS PER_S PAUSE_US < REQUEST
 *
 * REQUEST is sent as it is, but "@@@@@@@@" in it (eight times at most) becomes a running number of eight digits.
 * PER_S 0: a connection sends the next one PAUSE_US after the answer, and its time counts from there. PER_S > 0: by one
 * connection, so many a second, and a time counts from when the request was due: waiting in line is not hidden.
 * Ends after COUNT requests or SECONDS (answers are waited for ten more) or at SIGTERM, when an answer that is still out
 * counts with what it took until then. Prints one JSON line:
 *   ns from the first request to the last answer, took (ns of each), refused (answers other than 2xx), broken
 *   (connections that ended without an answer), trouble (the first answer refused, or the reason) */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 256
#define PATIENCE 10000000000LL

typedef struct {
  int fd, busy;
  long long since, due; /* when the request counts from; when the next may be sent */
  char *answer;
  size_t have, room;
} Connection;

static Connection all[MOST];
static char request[1 << 18], *numbers[8];
static size_t length;
static int port;
static long sent, answered, refused, broken, room;
static long long gap, pause_ns;
static long long *took;
static char trouble[512];
static volatile sig_atomic_t told;

static void on_term(int signal) { told = signal; }

static long long now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (long long)ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void note(long long ns) {
  if (answered == room) took = realloc(took, (room = room ? 2 * room : 1024) * sizeof *took);
  took[answered++] = ns;
}

static void hang_up(Connection *c, const char *why) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
  if (why) {
    broken++;
    if (!trouble[0]) snprintf(trouble, sizeof trouble, "%s", why);
  }
}

static int dial(Connection *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  int on = 1;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to)) return -1;
  return setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void begin(Connection *c, long long since) {
  char digits[16];
  snprintf(digits, sizeof digits, "%08ld", sent++ % 100000000L);
  for (int i = 0; i < 8 && numbers[i]; i++) memcpy(numbers[i], digits, 8);
  c->since = since;
  c->have = 0;
  c->busy = 1;
  if (c->fd < 0 && dial(c)) return c->busy = 0, hang_up(c, "no connection");
  for (size_t at = 0; at < length;) {
    ssize_t n = send(c->fd, request + at, length - at, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return c->busy = 0, hang_up(c, "the request could not be sent");
    at += n;
  }
}

/* Whether the whole answer is there: by its length, or by the last chunk. */
static int complete(Connection *c) {
  char *head = strstr(c->answer, "\r\n\r\n");
  if (!head) return 0;
  size_t body = c->have - (head + 4 - c->answer);
  for (char *line = c->answer; line && line < head; line = strstr(line, "\r\n")) {
    while (*line == '\r' || *line == '\n') line++;
    if (!strncasecmp(line, "content-length:", 15)) return body >= strtoul(line + 15, NULL, 10);
    if (!strncasecmp(line, "transfer-encoding: chunked", 26))
      return body >= 5 && !strcmp(c->answer + c->have - 5, "0\r\n\r\n");
  }
  return 1;
}

static void take(Connection *c) {
  if (c->room - c->have < (1 << 16)) c->answer = realloc(c->answer, c->room += 1 << 18);
  ssize_t n = recv(c->fd, c->answer + c->have, c->room - c->have - 1, 0);
  if (n < 0 && errno == EINTR) return;
  if (n <= 0) {
    if (c->busy) hang_up(c, "the connection was closed without an answer");
    else hang_up(c, NULL); /* an idle one may be */
    c->busy = 0;
    return;
  }
  c->answer[c->have += n] = 0;
  if (!c->busy || !complete(c)) return;
  long long now = now_ns();
  note(now - c->since);
  c->busy = 0;
  if (!gap) c->due = now + pause_ns;
  if (strncmp(c->answer, "HTTP/1.1 2", 10) && !refused++ && !trouble[0]) {
    size_t out = 0;
    for (char *p = c->answer; *p && out < sizeof trouble - 1; p++)
      if (*p >= ' ' && *p != '"' && *p != '\\') trouble[out++] = *p;
  }
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  int connections = atoi(argv[2]);
  long count = atol(argv[3]);
  double seconds = atof(argv[4]), per_s = atof(argv[5]);
  gap = per_s > 0 ? 1e9 / per_s : 0;
  pause_ns = atoll(argv[6]) * 1000;
  port = atoi(argv[1]);
  for (ssize_t n; (n = read(0, request + length, sizeof request - 1 - length)) > 0;) length += n;
  char *found = request;
  for (int i = 0; i < 8 && (found = strstr(found, "@@@@@@@@")); i++, found += 8) numbers[i] = found;
  if (connections < 1 || connections > MOST) return 2;
  struct sigaction on = {.sa_handler = on_term};
  sigaction(SIGTERM, &on, NULL);
  sigset_t term, free_; /* the signal is let in while waiting only, so that none comes unseen before it */
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, &free_);
  signal(SIGPIPE, SIG_IGN);
  long long start = now_ns(), end = seconds > 0 ? start + (long long)(seconds * 1e9) : 0, last = start;
  for (int i = 0; i < connections; i++) all[i].fd = -1, all[i].due = start;
  while (!told) {
    long long now = now_ns(), next = now + 1000000000LL;
    int over = (count && sent >= count) || (end && now >= end) || broken > 100, busy = 0, top = -1;
    fd_set reading;
    FD_ZERO(&reading);
    for (int i = 0; i < connections; i++) {
      Connection *c = &all[i];
      if (!c->busy && !over && c->due <= now) {
        begin(c, gap ? c->due : now_ns());
        if (gap) c->due += gap;
        else if (!c->busy) c->due = now + 10000000; /* in vain: not at once again */
        over = count && sent >= count;
      }
      if (!c->busy && !over && c->due < next) next = c->due;
      busy += c->busy;
      if (c->fd >= 0) {
        FD_SET(c->fd, &reading);
        if (c->fd > top) top = c->fd;
      }
    }
    if (over && (!busy || (end && now > end + PATIENCE))) break;
    now = now_ns();
    long long wait = next > now ? next - now : 0;
    struct timespec until = {wait / 1000000000LL, wait % 1000000000LL};
    if (pselect(top + 1, &reading, NULL, NULL, &until, &free_) <= 0) continue;
    for (int i = 0; i < connections; i++)
      if (all[i].fd >= 0 && FD_ISSET(all[i].fd, &reading)) take(&all[i]), last = now_ns();
  }
  for (int i = 0; i < connections; i++) {
    if (!all[i].busy) continue;
    if (told) note(now_ns() - all[i].since);
    else hang_up(&all[i], "no answer in ten seconds");
  }
  printf("{\"ns\":%lld,\"refused\":%ld,\"broken\":%ld,\"trouble\":\"%s\",\"took\":[", last - start, refused, broken, trouble);
  for (long i = 0; i < answered; i++) printf(i ? ",%lld" : "%lld", took[i]);
  puts("]}");
  return 0;
}
