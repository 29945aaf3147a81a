// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import TestSupport
import Testing

@testable import Sinks

@Suite("A program beside us never lets us wait")
struct ChildTaskTests {
  /// Steps until it ended; kills it where it has not after so many seconds.
  private static func ended(_ task: ChildTask, seconds: Int = 20) -> ChildTask.Ended {
    for _ in 0..<seconds * 100 {
      if let ended = task.step() { return ended }
      var polls = task.polls
      _ = poll(&polls, nfds_t(polls.count), 10)
    }
    task.kill()
    while true {
      if let ended = task.step() { return ended }
      usleep(1000)
    }
  }

  /// As StopSignals has it: who reads no more is an errno.
  init() { signal(SIGPIPE, SIG_IGN) }

  private static func shell(_ script: String, input: [UInt8] = []) throws -> ChildTask {
    try ChildTask("sh", ["-c", script], input: input)
  }

  private static func text(_ ended: ChildTask.Ended) -> String { String(decoding: ended.output, as: UTF8.self) }

  @Test("It gets its input whole, and what it says is kept")
  func input() throws {
    let input = [UInt8](repeating: UInt8(ascii: "x"), count: 300_000)
    let ended = ChildTaskTests.ended(try ChildTaskTests.shell("wc -c; echo bad >&2; exit 3", input: input))
    #expect(ended.status == 3 && !ended.isKilled && !ended.isFlooding)
    #expect(ChildTaskTests.text(ended).split(separator: "\n").map { $0.filter { $0 != " " } } == ["300000", "bad"])
  }

  @Test("One that reads nothing ends as it likes, and its arguments are never a shell's")
  func noReader() throws {
    let input = [UInt8](repeating: 0x0a, count: 300_000)
    #expect(ChildTaskTests.ended(try ChildTaskTests.shell("exit 0", input: input)).status == 0)
    let ended = ChildTaskTests.ended(try ChildTask("printf", ["%s", "$(id) `id` ; 'x'"], input: []))
    #expect(ChildTaskTests.text(ended) == "$(id) `id` ; 'x'")
  }

  @Test("One that hangs is killed with all that it started")
  func hang() throws {
    let task = try ChildTaskTests.shell("sleep 600 & echo $!; wait")
    for _ in 0..<2000 where task.step() == nil {
      var polls = task.polls
      if poll(&polls, nfds_t(polls.count), 10) > 0, polls[2].revents & Int16(POLLIN) != 0 { break }
    }
    _ = task.step()
    task.kill()
    let ended = ChildTaskTests.ended(task)
    #expect(ended.status == 128 + SIGKILL && ended.isKilled)
    let sleeper = try #require(pid_t(ChildTaskTests.text(ended).split(separator: "\n").first ?? ""))
    var isGone = false
    for _ in 0..<200 where !isGone {
      // Nobody's command line is empty but that of who is dead and waits for its parent.
      isGone = (Files.text("/proc/\(sleeper)/cmdline") ?? "").isEmpty
      usleep(10_000)
    }
    #expect(isGone)
  }

  @Test("One that floods its output is cut off, and the beginning is kept")
  func flood() throws {
    let ended = ChildTaskTests.ended(try ChildTaskTests.shell("exec yes flood"))
    #expect(ended.isFlooding && !ended.isKilled && ended.status == 128 + SIGPIPE)
    #expect(ended.output.count == ChildTask.keptBytesMax && ended.output.starts(with: Array("flood\n".utf8)))
  }

  @Test("Signals that we block or ignore are not so for it")
  func signals() throws {
    var (blocked, before) = (sigset_t(), sigset_t())
    sigemptyset(&blocked)
    sigaddset(&blocked, SIGTERM)
    pthread_sigmask(SIG_BLOCK, &blocked, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let task = try ChildTaskTests.shell("kill -TERM $$; exit 0")
    #expect(ChildTaskTests.ended(task).status == 128 + SIGTERM)
  }

  @Test("A program that is not there is an error with its name", arguments: ["/nonexistent", "oomwitness-none", ""])
  func missing(program: String) {
    #expect(throws: SinkError.system(operation: "run", path: KernelName(program), errno: ENOENT)) {
      _ = try ChildTask(program, [], input: [])
    }
  }
}
