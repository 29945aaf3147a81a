// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// Another program that runs beside us: it is given its input and its output is taken whenever there is room, nothing waits
/// for it, and it is held by a pidfd, so that no other process can be meant.
///
/// It leads a process group of its own, and has no signal blocked or ignored, whatever we have. We are to ignore SIGPIPE
/// (StopSignals does): it may end before it has read its input.
/// Source: posix_spawnp(3), pidfd_open(2), waitpid(2).
package final class ChildTask {
  /// What came of it.
  package struct Ended: Hashable, Sendable {
    /// As a shell gives it: the exit status, or 128 and the signal.
    package var status: Int32
    /// The beginning of what it wrote to standard output and standard error, as they came.
    package var output: [UInt8]
    /// It wrote more than `outputBytesMax`, and its output was closed.
    package var isFlooding: Bool
    /// `kill()` ended it.
    package var isKilled: Bool
  }

  /// What is kept of its output.
  package static let keptBytesMax = 2048
  /// More nobody reads.
  package static let outputBytesMax = 256 * 1024
  private static let pieceBytes = 64 * 1024

  private let pid: pid_t
  private let process: Int32
  private var input: Int32
  private var output: Int32
  private let text: [UInt8]
  private var written = 0
  private var kept: [UInt8] = []
  private var outputBytes = 0
  private var isKilled = false
  private var end: Ended?

  /// Starts it. The program is looked for as a shell does, and gets our environment.
  ///
  /// - Parameter body: a descriptor that it has as its number 3; closed here by who gave it.
  /// - Throws: `SinkError.system` of `run`, with ENOENT where there is no such program.
  package init(_ program: String, _ arguments: [String], input text: [UInt8], body: Int32? = nil) throws(SinkError) {
    func failure(_ number: Int32) -> SinkError {
      .system(operation: "run", path: KernelName(program), errno: number)
    }
    var (inputEnds, outputEnds): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    guard pipe2(&inputEnds, Int32(O_CLOEXEC)) == 0 else { throw failure(errno) }
    guard pipe2(&outputEnds, Int32(O_CLOEXEC)) == 0 else {
      let number = errno
      for descriptor in inputEnds { close(descriptor) }
      throw failure(number)
    }
    var child: pid_t = 0
    let refusal = ChildTask.spawn(program, arguments, &child, (inputEnds[0], outputEnds[1], body))
    close(inputEnds[0])
    close(outputEnds[1])
    let held = refusal == 0 ? clinux_pidfd_open(child) : -1
    guard held >= 0 else {
      let number = refusal == 0 ? errno : refusal
      if refusal == 0 {
        Glibc.kill(child, SIGKILL)
        ChildTask.reap(child)
      }
      close(inputEnds[1])
      close(outputEnds[0])
      throw failure(number)
    }
    for descriptor in [inputEnds[1], outputEnds[0]] { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
    (pid, process, input, output, self.text) = (child, held, inputEnds[1], outputEnds[0], text)
  }

  deinit {
    if end == nil {
      kill()
      ChildTask.reap(pid)
    }
    closeInput()
    closeOutput()
    close(process)
  }

  /// For a poll(2): its end, room for its input, and its output.
  package var polls: [pollfd] {
    [
      pollfd(fd: process, events: Int16(POLLIN), revents: 0), pollfd(fd: input, events: Int16(POLLOUT), revents: 0),
      pollfd(fd: output, events: Int16(POLLIN), revents: 0),
    ]
  }

  /// Does what can be done without waiting; what came of it once it has ended.
  package func step() -> Ended? {
    if let end { return end }
    feed()
    drain()
    var raw: Int32 = 0
    guard waitpid(pid, &raw, WNOHANG) == pid else { return nil }
    drain()
    let status = raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + (raw & 0x7f)
    end = Ended(
      status: status, output: kept, isFlooding: outputBytes > ChildTask.outputBytesMax, isKilled: isKilled)
    closeInput()
    closeOutput()
    return end
  }

  /// Ends it and all of its process group at once; `step()` then tells its end.
  package func kill() {
    guard end == nil else { return }
    isKilled = true
    _ = clinux_pidfd_send_signal(process, SIGKILL)
    // Until it is reaped no other group can have this number.
    Glibc.kill(-pid, SIGKILL)
  }

  private func feed() {
    while input >= 0 {
      let count = text.withUnsafeBytes { bytes in
        write(input, bytes.baseAddress.map { $0 + written }, bytes.count - written)
      }
      if count >= 0 {
        written += count
        if written >= text.count { closeInput() }
      } else if errno == EAGAIN {
        return
      } else if errno != EINTR {
        // It does not want more: EPIPE.
        closeInput()
      }
    }
  }

  private func drain() {
    guard output >= 0 else { return }
    var piece = [UInt8](repeating: 0, count: ChildTask.pieceBytes)
    let count = read(output, &piece, piece.count)
    if count == 0 { return closeOutput() }
    guard count > 0 else { return }
    outputBytes += count
    kept += piece[..<min(count, ChildTask.keptBytesMax - kept.count)]
    if outputBytes > ChildTask.outputBytesMax { closeOutput() }
  }

  private static func reap(_ child: pid_t) { while waitpid(child, nil, 0) < 0, errno == EINTR {} }

  private func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  private func closeOutput() {
    if output >= 0 { close(output) }
    output = -1
  }

  /// The error of the spawn, or 0.
  private static func spawn(
    _ program: String, _ arguments: [String], _ child: inout pid_t,
    _ ends: (input: Int32, output: Int32, body: Int32?)
  ) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends.input, 0)
    posix_spawn_file_actions_adddup2(&actions, ends.output, 1)
    posix_spawn_file_actions_adddup2(&actions, ends.output, 2)
    if let body = ends.body { posix_spawn_file_actions_adddup2(&actions, body, 3) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    let argv = ([program] + arguments).map { text in strdup(text) } + [nil]
    defer { for pointer in argv { free(pointer) } }
    return posix_spawnp(&child, program, &actions, &attributes, argv, environ)
  }
}
