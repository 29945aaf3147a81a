// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Runs another program to its end and keeps what it said.
///
/// Source: posix_spawn(3), waitpid(2).
package enum ChildProgram {
  /// What came of it.
  package struct Ended: Hashable, Sendable {
    /// As a shell gives it: the exit status, or 128 and the signal.
    package var status: Int32
    /// Standard output, then standard error, as they came.
    package var output: String
  }

  /// More is not kept, and a program that says more is ended.
  package static let outputLimitBytes = 1024 * 1024

  /// Nil where there is no such program. It is ended after so many seconds.
  package static func run(_ path: String, _ arguments: [String], seconds: Int32 = 30) -> Ended? {
    var ends: [Int32] = [-1, -1]
    guard pipe2(&ends, Int32(O_CLOEXEC)) == 0 else { return nil }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
    let argv = ChildProgram.copies([path] + arguments)
    let envp = ChildProgram.copies(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"])
    var pid: pid_t = 0
    let refusal = posix_spawn(&pid, path, &actions, nil, argv, envp)
    for pointer in argv + envp { free(pointer) }
    posix_spawn_file_actions_destroy(&actions)
    close(ends[1])
    guard refusal == 0 else { return nil }
    let output = drain(ends[0], seconds: seconds)
    if output == nil { kill(pid, SIGKILL) }
    var raw: Int32 = 0
    _ = SystemCall.retrying { Int(waitpid(pid, &raw, 0)) }
    let status = raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + (raw & 0x7f)
    return Ended(status: status, output: String(decoding: output ?? [], as: UTF8.self))
  }

  /// As C takes them, ending in nil; the caller frees each.
  private static func copies(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
    texts.map { text in strdup(text) } + [nil]
  }

  /// All up to the end; nil where that did not come in time, or not within the limit.
  private static func drain(_ descriptor: Int32, seconds: Int32) -> [UInt8]? {
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while output.count <= outputLimitBytes, poll(&waiting, 1, seconds * 1000) == 1 {
      guard case .value(let count) = SystemCall.retrying({ read(descriptor, &chunk, chunk.count) }) else { return nil }
      if count == 0 { return output }
      output += chunk[..<count]
    }
    return nil
  }
}
