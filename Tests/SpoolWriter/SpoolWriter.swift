// SPDX-License-Identifier: Apache-2.0
import Glibc
import Sinks

/// A program that delivers numbered lines until it is killed: SpoolWriter SPOOL FILE SOCKET FIRST.
@main enum SpoolWriter {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 5, var number = Int(arguments[4]) else { exit(64) }
    let loop = try DeliveryLoop(
      DeliverySettings(spoolFolder: arguments[1]),
      destinations: [
        DestinationSettings(
          name: "file", kind: .file(FileDestinationSettings(path: arguments[2], bytesMax: 1 << 20, keep: 900))),
        DestinationSettings(name: "socket", kind: .stream(.unix(arguments[3]))),
      ])
    try loop.start()
    while true {
      for _ in 0..<20 {
        let padding = String(repeating: "x", count: number * 7919 % 1500)
        guard loop.put(Array(#"{"schema":"oomwitness.v1","seq":\#(number),"padding":"\#(padding)"}"#.utf8 + [0x0a]))
        else { break }
        number += 1
      }
      usleep(500)
    }
  }
}
