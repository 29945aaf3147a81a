// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import Report
import Sinks

/// How events are written to standard output.
struct OutputOptions: ParsableArguments {
  enum Format: String, CaseIterable, ExpressibleByArgument { case pretty, ndjson }

  @Option(help: "pretty for people, ndjson for programs. (default: pretty on a terminal, else ndjson)")
  var output: Format?

  /// In a container the kernel's name of the host is that of the container.
  @Option(help: ArgumentHelp("What each line calls this host, in place of its own name.", valueName: "name"))
  var hostName: String?

  func validate() throws {
    if hostName?.isEmpty == true { throw ValidationError("--host-name takes a name, not nothing") }
  }

  /// What the option says, or what standard output is.
  var format: Format { output ?? (isatty(STDOUT_FILENO) == 1 ? .pretty : .ndjson) }

  /// Colours only on terminals, and never where NO_COLOR is set. Source: no-color.org.
  static var coloured: Bool {
    guard isatty(STDOUT_FILENO) == 1 else { return false }
    let off = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
    let dumb = getenv("TERM").map { strcmp($0, "dumb") == 0 } ?? false
    return !off && !dumb
  }
}

/// Writes events as lines of the chosen format to standard output.
final class EventWriter: EventOutput {
  private let sink: DescriptorSink
  private var encoder: NDJSONEncoder
  private let text: EventText
  private let format: OutputOptions.Format
  var tellsPast = false

  init(
    format: OutputOptions.Format, host: String, bootID: String?, pageSizeBytes: Int,
    queueBytesMax: Int = DescriptorSink.queueBytesMax
  ) {
    sink = DescriptorSink(queueBytesMax: queueBytesMax)
    encoder = NDJSONEncoder(host: host, bootID: bootID, pageSizeBytes: pageSizeBytes)
    text = EventText(pageSizeBytes: pageSizeBytes, coloured: OutputOptions.coloured)
    self.format = format
  }

  func write(_ event: Event, at time: EventTime) -> Bool {
    if sink.write(line(event, at: time)) { return true }
    retract()
    return false
  }

  var waitingDescriptor: Int32? { sink.isWaiting ? sink.descriptor : nil }
  var isClosed: Bool { sink.isClosed }
  var failure: Int32? { sink.failure }

  func flush() { sink.flush() }
  func drain(timeoutMilliseconds: Int32) { sink.drain(timeoutMilliseconds: timeoutMilliseconds) }

  func rehearse(_ event: Event, at time: EventTime) {
    _ = line(event, at: time)
    retract()
  }

  private func retract() { if format == .ndjson { encoder.retract() } }

  private func line(_ event: Event, at time: EventTime) -> [UInt8] {
    switch format {
    case .ndjson: encoder.line(event, at: time)
    case .pretty: Array(text.text(event, at: time).utf8)
    }
  }
}
