// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Testing

@testable import Host

/// A tree of files in a temporary folder, removed at the end of its life.
final class Fixture {
  let root: String
  /// What was made, in that order, as C strings.
  private var made: [KernelName] = []

  init(_ files: [String: String] = [:]) throws {
    var template = Array("/tmp/oomwitness-host-XXXXXX".utf8)
    template.append(0)
    let created = template.withUnsafeMutableBytes {
      mkdtemp($0.baseAddress!.assumingMemoryBound(to: CChar.self)) != nil
    }
    try #require(created)
    root = String(decoding: template.dropLast(), as: UTF8.self)
    for (path, text) in files { try write(KernelName(path), Array(text.utf8)) }
  }

  deinit {
    for path in made.reversed() { _ = path.withPath { remove($0) } }
    rmdir(root)
  }

  /// Writes a file, and makes the directories above it.
  func write(_ path: KernelName, _ bytes: [UInt8], mode: mode_t = 0o644) throws {
    let components = path.bytes.split(separator: UInt8(ascii: "/"))
    for count in components.indices.dropFirst() { makeDirectory(components[..<count]) }
    let whole = KernelName(root).appending(path)
    let descriptor = try #require(whole.withPath { open($0, O_WRONLY | O_CREAT | O_TRUNC, mode) })
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    made.append(whole)
    let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    try #require(written == bytes.count)
  }

  func makeDirectory(_ path: String) { makeDirectory(Array(path.utf8).split(separator: UInt8(ascii: "/"))[...]) }

  func link(_ path: String, to target: [UInt8]) throws {
    let whole = KernelName(root).appending(KernelName(path))
    let made = whole.withPath { path in KernelName(bytes: target).withPath { symlink($0, path) } }
    try #require(made == 0)
    self.made.append(whole)
  }

  private func makeDirectory(_ components: ArraySlice<ArraySlice<UInt8>>) {
    for count in 1...components.count {
      let path = components.prefix(count).joined(separator: [UInt8(ascii: "/")])
      let whole = KernelName(root).appending(KernelName(bytes: Array(path)))
      if whole.withPath({ mkdir($0, 0o755) }) == 0 { made.append(whole) }
    }
  }
}

/// What a test needs of the machine. Where OOMWITNESS_MUST_RUN=1 the test runs all the same, and fails by itself.
enum Machine {
  static var mustRun: Bool { getenv("OOMWITNESS_MUST_RUN").map { String(cString: $0) } == "1" }
  static var isRoot: Bool { mustRun || geteuid() == 0 }
  /// A version 1 memory hierarchy where this process may make groups.
  static var hasMemoryV1: Bool { mustRun || (geteuid() == 0 && access("/sys/fs/cgroup/memory/tasks", W_OK) == 0) }
  static var hasPressure: Bool { mustRun || access("/proc/pressure/memory", R_OK | W_OK) == 0 }
}

/// A child that does nothing but wait, with any name and arguments; killed and reaped at the end of its life.
final class Child {
  let pid: Int32

  init(program: KernelName, arguments: [[UInt8]]) throws {
    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { argument in
      KernelName(bytes: argument).withPath { strdup($0) } ?? nil
    }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    var spawned: pid_t = 0
    let code = program.withPath { posix_spawn(&spawned, $0, nil, nil, pointers, nil) }
    try #require(code == 0)
    pid = spawned
    try waitUntilAsleep(arguments: arguments.map { KernelName(bytes: $0) })
  }

  /// The kernel lets posix_spawn(3) return in the middle of exec(2), before name and arguments are those of the program.
  private func waitUntilAsleep(arguments: [KernelName]) throws {
    let reader = try ProcReader()
    let proc = try Directory(path: "/proc")
    for _ in 0..<10_000 {
      if try reader.process(pid: pid)?.cmdline == arguments,
        let stat = try FileReader().contents(KernelName("\(pid)/stat"), in: proc),
        let end = stat.bytes.lastIndex(of: UInt8(ascii: ")")), stat.bytes[end...].dropping(") S ") != nil
      {
        return
      }
      usleep(1000)
    }
    Issue.record("the child never began to sleep")
  }

  deinit { end() }

  private var isEnded = false

  func end() {
    guard !isEnded else { return }
    isEnded = true
    kill(pid, SIGKILL)
    while waitpid(pid, nil, 0) < 0, errno == EINTR {}
  }

  /// A copy of sleep(1) under a name of our choice.
  static func sleeper(in fixture: Fixture, name: [UInt8]) throws -> KernelName {
    let bin = try Directory(path: "/bin")
    let program = try #require(try FileReader().contents("sleep", in: bin, limitBytes: 16 * 1024 * 1024))
    try fixture.write(KernelName(bytes: name), Array(program.bytes), mode: 0o755)
    return KernelName(fixture.root).appending(KernelName(bytes: name))
  }
}

extension FileReader {
  func contents(_ name: String, in directory: borrowing Directory, limitBytes: Int) throws(HostError) -> FileContents? {
    try contents(KernelName(name), in: directory, limitBytes: limitBytes)
  }
}
