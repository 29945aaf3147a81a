// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport

@testable import Sinks

/// A receiver in Python that does as it is told, and writes what it gets to a file.
///
/// Unchecked: one test has it.
final class Receiver: @unchecked Sendable {
  private let program: Program
  private let folder: TestFolder

  /// - Parameter script: gets the path of a file that it is to make once it is ready, and its arguments.
  init(_ script: String, _ arguments: [String]) {
    folder = TestFolder()
    program = Program("/usr/bin/python3", ["-I", "-u", "-c", script, folder.path + "/ready"] + arguments)
    for _ in 0..<3000 where access(folder.path + "/ready", F_OK) != 0 { usleep(10_000) }
  }

  /// What it wrote to the file that says that it is ready: a port.
  var ready: String { Files.text(folder.path + "/ready") ?? "" }
  var port: Int { Int(ready) ?? 0 }

  func signal(_ number: Int32) { program.signal(number) }

  @discardableResult func stop() -> String {
    program.signal(SIGKILL)
    return program.wait(seconds: 20).errors
  }

  deinit { stop() }
}

/// A delivery with its thread, and what a test asks of it.
enum Delivered {
  /// A port that nobody has at the moment.
  static func freePort(_ type: __socket_type = SOCK_STREAM) -> Int {
    let descriptor = socket(AF_INET, Int32(type.rawValue), 0)
    defer { close(descriptor) }
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &name) { name in
      name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = bind(descriptor, $0, length)
        getsockname(descriptor, $0, &length)
      }
    }
    return Int(UInt16(bigEndian: name.sin_port))
  }

  /// Waits until `isTrue`; false where it never is.
  static func until(seconds: Int = 60, _ isTrue: () -> Bool) -> Bool {
    for _ in 0..<seconds * 50 {
      if isTrue() { return true }
      usleep(20_000)
    }
    return isTrue()
  }

  /// Starts it, puts the lines at a pace that the inbox has room for, and returns it.
  static func loop(_ spool: String?, _ destinations: [DestinationSettings]) throws -> DeliveryLoop {
    let loop = try DeliveryLoop(DeliverySettings(spoolFolder: spool), destinations: destinations)
    try loop.start()
    return loop
  }

  /// Waits until so many lines have arrived at each destination, doubles not counted.
  static func all(_ count: Int64, _ loop: DeliveryLoop, seconds: Int = 60) -> Bool {
    until(seconds: seconds) {
      let status = loop.status()
      return status.linesTaken >= count
        && status.destinations.allSatisfy { $0.queuedLines == 0 && $0.deliveredLines + $0.droppedLines >= count }
    }
  }

  static func put(_ loop: DeliveryLoop, _ numbers: ClosedRange<Int>, _ line: (Int) -> [UInt8] = { kill($0) }) {
    for number in numbers { while !loop.put(line(number)) { usleep(2000) } }
  }

  /// A kill as the stream has it, with a number.
  static func kill(_ number: Int) -> [UInt8] {
    Array(
      (#"{"schema":"oomwitness.v1","type":"oom_kill","time":"2026-11-24T22:44:13.329815451Z","monotonic_ns":5456630973115,"#
        + #""host":"vm-1","boot_id":"7db7ddf7-32e0-41fc-9727-0f43a0f95d5a","seq":\#(number),"#
        + #""decision":{"id":\#(number),"kills":1,"index":1},"source":"tracepoint","scope":"memcg","#
        + #""victim":{"pid":\#(1000 + number),"comm":"py \"]\\ é","user":"root","#
        + #""cgroup":{"path":"/kubepods/pod1/c","id":16568,"version":1},"systemd_unit":"oomw-demo.service","#
        + #""container":{"runtime":"docker","id":"0123456789abcdef","name":"web","image":"shop/web:7"},"#
        + #""kubernetes":{"namespace":"shop","pod":"cart-0","container":"app","pod_uid":"19b7441c-63a1-4548-896d-ace74c0bf03c"}},"#
        + #""explanation":"The kernel killed number \#(number) \"now\".","latency":{"decision_to_event_us":781}}"#
        + "\n").utf8)
  }

  /// The numbers of lines of NDJSON, and how many of them were broken.
  static func numbers(_ text: String) -> (numbers: [Int], broken: Int) {
    var (numbers, broken) = ([Int](), 0)
    for line in text.split(separator: "\n") {
      if let number = LineFacts(Array(line.utf8)).sequence { numbers.append(Int(number)) } else { broken += 1 }
    }
    return (numbers, broken)
  }

  /// Of a list in which some come twice: those that are new each time, which are to be in order.
  static func firsts(_ numbers: [Int]) -> [Int] {
    var seen: Set<Int> = []
    return numbers.filter { seen.insert($0).inserted }
  }
}
