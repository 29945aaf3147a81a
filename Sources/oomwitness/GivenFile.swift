// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host

/// A file that somebody wrote and names on a command line; `-` is standard input.
enum GivenFile {
  private static let limitBytes = 1024 * 1024
  static let standardInput = "standard input"

  /// All of it; errors call it as it was given.
  static func contents(_ path: String) throws(HostError) -> [UInt8] {
    do throws(HostError) {
      if path == "-" {
        return try FileReader().contents(of: STDIN_FILENO, named: standardInput, limitBytes: limitBytes)
      }
      let directory = try Directory(path: ".")
      guard let contents = try FileReader().contents(KernelName(path), in: directory, limitBytes: limitBytes) else {
        throw HostError.system(operation: .open, path: KernelName(path), errno: ENOENT)
      }
      return Array(contents.bytes)
    } catch {
      let name = KernelName(path == "-" ? standardInput : path)
      switch error {
      case .system(let operation, _, let number): throw .system(operation: operation, path: name, errno: number)
      case .tooLarge(_, let limit): throw .tooLarge(path: name, limitBytes: limit)
      case .malformed, .programFailed: throw error
      }
    }
  }
}
