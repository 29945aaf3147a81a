// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// What another program writes to its standard output, read as it comes, however much it is; its errors are nobody's.
///
/// The program is looked for as a shell does. Source: posix_spawnp(3), waitpid(2).
package final class ProgramOutput {
  /// Bytes of one read.
  private static let pieceBytes = 256 * 1024

  private let program: String
  private let descriptor: Int32
  private let child: pid_t
  private var buffer = [UInt8](repeating: 0, count: ProgramOutput.pieceBytes)

  /// Starts it.
  ///
  /// - Throws: `HostError.system` of `run`, with ENOENT where there is no such program.
  package init(_ program: String, _ arguments: [String]) throws(HostError) {
    self.program = program
    var ends: [Int32] = [-1, -1]
    guard pipe2(&ends, Int32(O_CLOEXEC)) == 0 else {
      throw .system(operation: .run, path: KernelName(program), errno: errno)
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    let argv = ([program] + arguments).map { text in strdup(text) } + [nil]
    var pid: pid_t = 0
    let refusal = posix_spawnp(&pid, program, &actions, nil, argv, environ)
    for pointer in argv { free(pointer) }
    posix_spawn_file_actions_destroy(&actions)
    close(ends[1])
    guard refusal == 0 else {
      close(ends[0])
      throw .system(operation: .run, path: KernelName(program), errno: refusal)
    }
    (descriptor, child) = (ends[0], pid)
  }

  deinit {
    close(descriptor)
    kill(child, SIGTERM)
    var status: Int32 = 0
    _ = SystemCall.retrying { Int(waitpid(child, &status, 0)) }
  }

  /// The next bytes; false at the end.
  ///
  /// - Throws: `HostError.system` where they cannot be read.
  package func next(_ body: (UnsafeBufferPointer<UInt8>) -> Void) throws(HostError) -> Bool {
    switch SystemCall.retrying({ read(descriptor, &buffer, buffer.count) }) {
    case .value(let count):
      guard count > 0 else { return false }
      buffer.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[..<Int(count)])) }
      return true
    case .failure(let number): throw .system(operation: .read, path: KernelName(program), errno: number)
    }
  }
}
