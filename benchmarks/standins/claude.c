/* `claude` stand-in: emits lines, edits one file, exits. Steered by a directive anywhere in the prompt:
 *   [[rig k=17 lines=2000 rate=500 width=80 err=3 pre_ms=0 sleep_ms=50 exit=0 edit=README.md utf8=1]]
 * utf8=2: every tenth line comes in two writes, cut inside a character.
 * The last one counts: a follow-up is told the prompt of the job before it, too.
 * k: the job's key in the rig; rate: lines a second (0: as fast as they are read); edit=-: edit nothing.
 * The prompt is taken from the arguments or, failing that, from standard input.
 * Output: plain text, or what --output-format says (json, stream-json); --input-format stream-json is answered too. */
#include "common.h"

static long opt(const char *d, const char *key, long dflt) {
  size_t kl = strlen(key);
  for (const char *p = d; p && *p && *p != ']'; p++)
    if ((p == d || p[-1] == ' ') && !strncmp(p, key, kl) && p[kl] == '=') return strtol(p + kl + 1, NULL, 10);
  return dflt;
}

/* The last directive of a text; `before` when it has none. */
static const char *directive(const char *text, const char *before) {
  for (const char *p = strstr(text, "[[rig "); p; p = strstr(p + 1, "[[rig ")) before = p;
  return before;
}

static int emit(int fd, const char *s, size_t n) {
  while (n) {
    ssize_t w = write(fd, s, n);
    if (w < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    s += w;
    n -= w;
  }
  return 0;
}

static void put(const char *s) { emit(1, s, strlen(s)); }

int main(int argc, char **argv) {
  long long t0 = now_ns();
  const char *format = "text", *informat = "text", *d = NULL, *sid = "00000000-0000-4000-8000-000000000000";
  static char in[1 << 20];
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--version") || !strcmp(argv[i], "-v")) return put("2.0.0 (Claude Code)\n"), 0;
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return put("Usage: claude [options] [prompt]\n"), 0;
    if (!strcmp(argv[i], "--output-format") && i + 1 < argc) format = argv[i + 1];
    if (!strncmp(argv[i], "--output-format=", 16)) format = argv[i] + 16;
    if (!strcmp(argv[i], "--input-format") && i + 1 < argc) informat = argv[i + 1];
    if (!strncmp(argv[i], "--input-format=", 15)) informat = argv[i] + 15;
    if ((!strcmp(argv[i], "--session-id") || !strcmp(argv[i], "--resume")) && i + 1 < argc) sid = argv[i + 1];
    d = directive(argv[i], d);
  }
  if (argc > 1 && !strcmp(argv[1], "auth")) return put("{\"loggedIn\":true,\"authMethod\":\"claude.ai\",\"subscriptionType\":\"max\"}\n"), 0;
  int json_in = !strcmp(informat, "stream-json");
  if (!d || json_in) { /* the prompt comes on standard input */
    size_t have = 0;
    ssize_t n;
    char *line = in;
    while (have < sizeof in - 1 && (n = read(0, in + have, sizeof in - 1 - have)) > 0) {
      have += n;
      in[have] = 0;
      if (!json_in) continue;
      char *nl;
      while ((nl = strchr(line, '\n'))) {
        *nl = 0;
        char *rid = strstr(line, "\"request_id\"");
        if (strstr(line, "control_request") && rid) {
          char id[128] = "", out[320];
          sscanf(rid, "\"request_id\"%*[: ]\"%127[^\"]", id);
          snprintf(out, sizeof out, "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"%s\",\"response\":{\"commands\":[]}}}\n", id);
          put(out);
        } else {
          d = directive(line, d);
        }
        line = nl + 1;
        if (d) break;
      }
      if (d) break;
    }
    if (!d) d = directive(in, d);
  }
  if (d) d += 6;
  long k = opt(d, "k", -1), lines = opt(d, "lines", 5), rate = opt(d, "rate", 0), width = opt(d, "width", 80);
  long err = opt(d, "err", 0), pre_ms = opt(d, "pre_ms", 0), sleep_ms = opt(d, "sleep_ms", 0), code = opt(d, "exit", 0);
  long utf8 = opt(d, "utf8", 0);
  char edit[256] = "README.md";
  for (const char *p = d; p && *p && *p != ']'; p++)
    if (p[-1] == ' ' && !strncmp(p, "edit=", 5)) sscanf(p + 5, "%255[^] ]", edit);
  const char *job = getenv("AGENT_JOB_ID"); /* this server's; another one's agents are told apart by k alone */
  event("{\"ev\":\"start\",\"k\":%ld,\"t\":%lld,\"pid\":%d,\"job\":\"%.64s\"}", k, t0, (int)getpid(), job ? job : "");

  int sj = !strcmp(format, "stream-json"), js = !strcmp(format, "json");
  static char buf[65536];
  int n;
  if (sj) {
    n = snprintf(buf, sizeof buf, "{\"type\":\"system\",\"subtype\":\"init\",\"cwd\":\".\",\"session_id\":\"%s\",\"tools\":[\"Bash\",\"Edit\",\"Read\"],\"mcp_servers\":[],\"model\":\"rig\",\"permissionMode\":\"bypassPermissions\",\"apiKeySource\":\"none\",\"uuid\":\"%s\"}\n", sid, sid);
    emit(1, buf, n);
  }
  sleep_ns(pre_ms * 1000000LL);
  if (width < 12) width = 12;
  if (width > 8000) width = 8000;
  static char pad[16384];
  size_t pl = 0;
  while ((long)pl < width - 10) {
    const char *unit = utf8 ? "r\xc3\xa9sum\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac " : "the quick brown fox ";
    size_t ul = strlen(unit);
    memcpy(pad + pl, unit, ul);
    pl += ul;
  }
  pad[pl] = 0;
  long long start = now_ns();
  for (long i = 0; !js && i < lines; i++) {
    if (rate > 0) {
      long long due = start + i * 1000000000LL / rate, t = now_ns();
      if (due > t + 50000) sleep_ns(due - t);
    }
    if (sj)
      n = snprintf(buf, sizeof buf, "{\"type\":\"assistant\",\"message\":{\"id\":\"msg_01%022ld\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"rig\",\"content\":[{\"type\":\"text\",\"text\":\"L%08ld:%s\"}],\"stop_reason\":null,\"usage\":{\"input_tokens\":1,\"cache_creation_input_tokens\":200,\"cache_read_input_tokens\":18000,\"output_tokens\":1}},\"parent_tool_use_id\":null,\"session_id\":\"%s\",\"uuid\":\"%s\"}\n", i, i, pad, sid, sid);
    else
      n = snprintf(buf, sizeof buf, "L%08ld:%s\n", i, pad);
    int cut = 0;
    if (utf8 == 2 && i % 10 == 0) /* two writes, cut inside a character */
      for (int c = n / 2; c < n - 1 && !cut; c++)
        if ((buf[c] & 0xc0) == 0x80) cut = c;
    if (cut) {
      if (emit(1, buf, cut) < 0) break;
      sleep_ns(300000);
    }
    if (emit(1, buf + cut, n - cut) < 0) break;
  }
  long long stop = now_ns();
  for (long i = 0; i < err; i++) {
    n = snprintf(buf, sizeof buf, "E%08ld:%s\n", i, pad);
    emit(2, buf, n);
  }
  if (strcmp(edit, "-")) {
    int fd = open(edit, O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (fd >= 0) {
      n = snprintf(buf, sizeof buf, "edited by rig job %ld at %lld\n", k, now_ns());
      emit(fd, buf, n);
      close(fd);
    }
  }
  sleep_ns(sleep_ms * 1000000LL);
  if (sj || js) {
    n = snprintf(buf, sizeof buf, "{\"type\":\"result\",\"subtype\":\"%s\",\"is_error\":%s,\"duration_ms\":%lld,\"duration_api_ms\":0,\"num_turns\":1,\"result\":\"done\",\"session_id\":\"%s\",\"total_cost_usd\":0,\"usage\":{\"input_tokens\":%ld,\"cache_creation_input_tokens\":%ld,\"cache_read_input_tokens\":%ld,\"output_tokens\":%ld},\"permission_denials\":[],\"uuid\":\"%s\"}\n",
                 code ? "error_during_execution" : "success", code ? "true" : "false", (now_ns() - t0) / 1000000, sid, lines, 200 * lines, 18000 * lines, lines, sid);
    emit(1, buf, n);
  }
  event("{\"ev\":\"exit\",\"k\":%ld,\"t\":%lld,\"emit_ns\":%lld,\"lines\":%ld,\"code\":%ld}", k, now_ns(), stop - start, lines, code);
  _exit((int)code);
}
