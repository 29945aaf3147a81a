// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// One engine for a suite: started before its first test, stopped after its last, whatever became of them.
struct EngineScope: SuiteTrait, TestScoping {
  @TaskLocal static var engine: (any ContainerEngine)?

  let start: @Sendable () throws -> any ContainerEngine

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    let engine = try start()
    defer { engine.stop() }
    try await EngineScope.$engine.withValue(engine) { try await function() }
  }
}

extension Trait where Self == EngineScope {
  static func engine(_ start: @escaping @Sendable () throws -> any ContainerEngine) -> Self {
    EngineScope(start: start)
  }
}
