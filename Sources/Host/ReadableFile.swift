// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// A file or standard input, read from its beginning to its end; what gzip, xz or zstd made smaller is read as it was.
///
/// The first bytes tell how it was made, and the name nothing; these programs then do the work, as they do for zgrep(1).
/// Source: gzip(1), xz(1), zstd(1), tee(2).
package final class ReadableFile {
  /// Bytes of one read; many of them fit the caches of a processor.
  package static let pieceBytes = 256 * 1024

  /// The path, or "standard input".
  package let name: String
  /// It is a pipe or the like: who writes it may take its time, and somebody may wait for what comes of it.
  package let isStream: Bool
  private let descriptor: Int32
  /// The program that makes it readable, until it has ended.
  private var child: (program: String, pid: pid_t)?

  /// - Parameter path: `-` is standard input.
  /// - Throws: `HostError.system` where it cannot be opened, or the program that would make it readable is not there.
  package init(path: String) throws(HostError) {
    let isStandardInput = path == "-"
    name = isStandardInput ? "standard input" : path
    let opened = isStandardInput ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else { throw .system(operation: .open, path: KernelName(name), errno: errno) }
    var status = stat()
    isStream = fstat(opened, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
    guard let program = ReadableFile.program(forFirst: ReadableFile.firstBytes(opened)) else {
      posix_fadvise(opened, 0, 0, Int32(POSIX_FADV_SEQUENTIAL))
      (descriptor, child) = (opened, nil)
      return
    }
    defer { close(opened) }
    let (output, pid) = try ReadableFile.started(program, opened)
    (descriptor, child) = (output, (program: program, pid: pid))
  }

  deinit {
    close(descriptor)
    guard let child else { return }
    kill(child.pid, SIGTERM)
    _ = ReadableFile.status(of: child.pid)
  }

  /// Reads the next bytes to the beginning of `buffer`: how many, 0 at the end.
  ///
  /// - Throws: `HostError.system` where they cannot be read, and at the end `HostError.programFailed` where it is not the
  ///   end of what was made smaller.
  package func next(into buffer: inout [UInt8]) throws(HostError) -> Int {
    switch SystemCall.retrying({ read(descriptor, &buffer, buffer.count) }) {
    case .value(let count):
      if count == 0 { try checkProgram() }
      return Int(count)
    case .failure(let number): throw .system(operation: .read, path: KernelName(name), errno: number)
    }
  }

  /// Whether it read all of it. Source: gzip(1) and xz(1), EXIT STATUS: 2 is a warning, as of what follows the end; zstd(1).
  private func checkProgram() throws(HostError) {
    guard let (program, pid) = child else { return }
    child = nil
    let status = ReadableFile.status(of: pid)
    guard status == 0 || (status == 2 && program != "zstd") else {
      throw .programFailed(program: program, path: KernelName(name), status: status)
    }
  }

  /// As a shell gives it, once the program has ended.
  private static func status(of pid: pid_t) -> Int32 {
    var raw: Int32 = 0
    _ = SystemCall.retrying { Int(waitpid(pid, &raw, 0)) }
    return raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + (raw & 0x7f)
  }

  private static func program(forFirst bytes: [UInt8]) -> String? {
    if bytes.starts(with: [0x1f, 0x8b]) { return "gzip" }
    if bytes.starts(with: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) { return "xz" }
    if bytes.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) { return "zstd" }
    return nil
  }

  /// The first bytes, which stay to be read. Of a pipe they are copied, once they are there.
  private static func firstBytes(_ descriptor: Int32) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 6)
    let place = lseek(descriptor, 0, SEEK_CUR)
    var count = place < 0 ? 0 : pread(descriptor, &bytes, bytes.count, place)
    if place < 0 {
      var ends: [Int32] = [-1, -1]
      guard pipe2(&ends, Int32(O_CLOEXEC)) == 0 else { return [] }
      if tee(descriptor, ends[1], bytes.count, 0) > 0 { count = read(ends[0], &bytes, bytes.count) }
      close(ends[0])
      close(ends[1])
    }
    return Array(bytes.prefix(max(0, count)))
  }

  private static func started(_ program: String, _ input: Int32) throws(HostError) -> (Int32, pid_t) {
    var ends: [Int32] = [-1, -1]
    guard pipe2(&ends, Int32(O_CLOEXEC)) == 0 else {
      throw .system(operation: .open, path: KernelName(program), errno: errno)
    }
    defer { close(ends[1]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    // Its status says what we say in a sentence of our own.
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    var arguments = [strdup(program), strdup("-dc"), nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let refusal = posix_spawnp(&pid, program, &actions, nil, &arguments, environ)
    guard refusal == 0 else {
      close(ends[0])
      throw .system(operation: .run, path: KernelName(program), errno: refusal)
    }
    return (ends[0], pid)
  }
}
