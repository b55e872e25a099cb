// protocol/message_fields.hpp: each message's fields, once, for writing and reading. Private to
// protocol. `Io` is Writer or Reader of messages.cpp; bounds matter to the reader only.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <planaria/protocol/messages.hpp>

namespace planaria::protocol {

template <class M, class T>
concept Is = std::same_as<std::remove_const_t<M>, T>;

// Generous, and small enough that a next step or view never overflows.
inline constexpr std::int64_t number_max = 1'000'000'000'000'000;  // of steps and views
inline constexpr std::int64_t index_max = 999'999'999;  // of workers, layers and micro-batches
inline constexpr std::int64_t height_max = 30;          // of tree nodes: beyond any number of lanes

template <class Io, Is<Member> M>
void fields(Io& io, M& m) {
  io.whole("worker", m.worker, 0, index_max);
  io.text("address", m.address);
}

template <class Io, Is<LayerReport> M>
void fields(Io& io, M& m) {
  io.whole("layer", m.layer, 0, index_max);
  io.number("squared_norm", m.squared_norm);
  io.bits("checksum", m.checksum);
}

template <class Io, Is<MicroBatchLoss> M>
void fields(Io& io, M& m) {
  io.whole("micro_batch", m.micro_batch, 0, index_max);
  io.number("loss", m.loss);
}

template <class Io, Is<MicroBatchHash> M>
void fields(Io& io, M& m) {
  io.whole("micro_batch", m.micro_batch, 0, index_max);
  io.bits("xxh3", m.xxh3);
}

template <class Io, Is<LayerChecksum> M>
void fields(Io& io, M& m) {
  io.whole("layer", m.layer, 0, index_max);
  io.bits("checksum", m.checksum);
}

template <class Io, Is<Move> M>
void fields(Io& io, M& m) {
  io.whole("layer", m.layer, 0, index_max);
  io.whole("from", m.from, 0, index_max);
  io.whole("to", m.to, 0, index_max);
}

template <class Io, Is<LayerState> M>
void fields(Io& io, M& m) {
  io.whole("layer", m.layer, 0, index_max);
  io.bits("xxh3", m.xxh3);
  io.objects("tensors", m.tensors);
}

template <class Io, Is<Join> M>
void fields(Io& io, M& m) {
  io.spec("spec", m.spec);
  io.text("address", m.address);
  io.whole("wanted", m.wanted, INT32_MIN, index_max);
  io.whole("process", m.process, 0, INT64_MAX);
}

template <class Io, Is<Connected> M>
void fields(Io& io, M& m) {
  io.ids("unreachable", m.unreachable, 0, index_max);
}

template <class Io, Is<LayerBytes> M>
void fields(Io& io, M& m) {
  io.whole("layer", m.layer, 0, index_max);
  io.whole("bytes", m.bytes, 0, INT64_MAX);
}

template <class Io, Is<TreeNode> M>
void fields(Io& io, M& m) {
  io.whole("height", m.height, 0, height_max);
  io.whole("index", m.index, 0, index_max);
}

template <class Io, Is<LayerSum> M>
void fields(Io& io, M& m) {
  io.whole("layer", m.layer, 0, index_max);
  fields(io, m.node);
}

template <class Io, Is<Salvaged> M>
void fields(Io& io, M& m) {
  io.whole("step", m.step, 1, number_max);
  io.list("sums", m.sums);
  io.list("losses", m.losses);
  io.list("read", m.read);
  io.list("labelled", m.labelled);
}

template <class Io, Is<Ready> M>
void fields(Io& io, M& m) {
  io.whole("view", m.view, 1, number_max);
  io.list("held", m.held);
  io.optional("salvaged", m.salvaged);
}

template <class Io, Is<Report> M>
void fields(Io& io, M& m) {
  io.whole("view", m.view, 1, number_max);
  io.whole("step", m.step, 1, number_max);
  io.list("layers", m.layers);
  io.list("losses", m.losses);
  io.list("read", m.read);
  io.list("labelled", m.labelled);
  io.number("rate", m.rate);
  io.whole("resident_bytes", m.resident_bytes, 0, INT64_MAX);
}

template <class Io, Is<ShadowReport> M>
void fields(Io& io, M& m) {
  io.whole("view", m.view, 1, number_max);
  io.whole("step", m.step, 1, number_max);
  io.list("layers", m.layers);
}

template <class Io, Is<Applied> M>
void fields(Io& io, M& m) {
  io.whole("view", m.view, 0, number_max);
  io.whole("step", m.step, 0, number_max);
  io.list("layers", m.layers);
  io.whole("peak_resident_bytes", m.peak_resident_bytes, 0, INT64_MAX);
}

template <class Io, Is<Failed> M>
void fields(Io& io, M& m) {
  io.text("sentence", m.sentence);
  io.fault_kind("kind", m.kind);
  io.whole("step", m.step, -1, number_max);
  io.whole("micro_batch", m.micro_batch, -1, index_max);
  io.whole("layer", m.layer, -1, index_max);
}

template <class Io, Is<StateSent> M>
void fields(Io& io, M& m) {
  io.whole("layer", m.layer, 0, index_max);
  io.whole("attempt", m.attempt, 0, index_max);
}

template <class Io, Is<Evaluating> M>
void fields(Io& io, M& m) {
  io.whole("view", m.view, 1, number_max);
  io.whole("step", m.step, 0, number_max);
}

template <class Io, Is<EvaluationBegun> M>
void fields(Io& io, M& m) {
  io.whole("step", m.step, 0, number_max);
  io.whole("worker", m.worker, 0, index_max);
}

template <class Io, Is<Evaluated> M>
void fields(Io& io, M& m) {
  io.whole("view", m.view, 1, number_max);
  io.whole("step", m.step, 0, number_max);
  io.list("losses", m.losses);
}

template <class Io, Is<Evaluation> M>
void fields(Io& io, M& m) {
  io.whole("step", m.step, 0, number_max);
  io.number("loss", m.loss);
  io.whole("samples", m.samples, 0, INT64_MAX);
}

template <class Io, Is<Alive> M>
void fields(Io&, M&) {}

template <class Io, Is<Unreachable> M>
void fields(Io& io, M& m) {
  io.whole("worker", m.worker, 0, index_max);
  io.text("why", m.why);
}

template <class Io, Is<StopAsked> M>
void fields(Io& io, M& m) {
  io.text("why", m.why);
}

template <class Io, Is<Welcome> M>
void fields(Io& io, M& m) {
  io.whole("worker", m.worker, 0, index_max);
  io.list("members", m.members);
}

template <class Io, Is<Refuse> M>
void fields(Io& io, M& m) {
  io.text("why", m.why);
}

template <class Io, Is<NewView> M>
void fields(Io& io, M& m) {
  io.whole("view", m.view, 1, number_max);
  io.whole("first_step", m.first_step, 1, number_max);
  io.layout("layout", m.layout);
  io.texts("schedules", m.schedules);
  io.list("members", m.members);
  io.list("moves", m.moves);
  io.whole("again_until", m.again_until, 0, number_max);
}

template <class Io, Is<OwnedSum> M>
void fields(Io& io, M& m) {
  io.whole("layer", m.layer, 0, index_max);
  fields(io, m.node);
  io.whole("owner", m.owner, 0, index_max);
}

template <class Io, Is<PipelineWork> M>
void fields(Io& io, M& m) {
  io.ids("lanes", m.lanes, 0, index_max);
  io.text("schedule", m.schedule);
}

template <class Io, Is<Salvage> M>
void fields(Io& io, M& m) {
  io.list("sums", m.sums);
  io.list("work", m.work);
}

template <class Io, Is<Begin> M>
void fields(Io& io, M& m) {
  io.whole("view", m.view, 1, number_max);
  io.whole("step", m.step, 1, number_max);
  io.optional("salvage", m.salvage);
}

template <class Io, Is<Commit> M>
void fields(Io& io, M& m) {
  auto& record = m.record;
  io.whole("step", record.step, 1, number_max);
  io.number("loss", record.loss);
  io.number("norm", record.norm);
  io.number("rate", record.rate);
  io.verdict("verdict", record.verdict);
  io.whole("skips_in_a_row", record.skips_in_a_row, 0, index_max);
  io.flag("last", record.last);
  io.optional("next", m.next);
  io.list("moves", m.moves);
}

template <class Io, Is<SendState> M>
void fields(Io& io, M& m) {
  io.whole("layer", m.layer, 0, index_max);
  io.whole("attempt", m.attempt, 0, index_max);
}

template <class Io, Is<Halt> M>
void fields(Io& io, M& m) {
  io.text("why", m.why);
}

template <class Io, Is<Evicted> M>
void fields(Io& io, M& m) {
  io.text("why", m.why);
}

template <class Io, Is<End> M>
void fields(Io& io, M& m) {
  io.whole("status", m.status, 0, 2);
  io.text("sentence", m.sentence);
}

}  // namespace planaria::protocol
