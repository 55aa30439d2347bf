// SPDX-License-Identifier: Apache-2.0
#include "core/model/residual_stream.h"

#include <fmt/format.h>
#include <set>

namespace qs {

namespace {

class StreamBuilder {
public:
    explicit StreamBuilder(const ModelSpec& spec) : spec_(spec) {}

    Result<ResidualStream> build() {
        QS_CHECK(addEmbedding());
        for (size_t i = 0; i < spec_.blocks.size(); ++i)
            QS_CHECK(addBlock(i));
        QS_CHECK(addHead());
        QS_CHECK(requireEachOnce());
        for (const StreamReader& r : stream_.readers)
            stream_.takesMeanOff |= r.norm.kind == NormSpec::Kind::Layer;
        return std::move(stream_);
    }

private:
    Error refuse(const std::string& tensor, const std::string& why) const {
        return Error::invalid(fmt::format("the basis of the residual stream of {} cannot be changed: {}",
                                          spec_.architecture, why),
                              tensor);
    }

    /// `norm` must be absent: `where` says what it does.
    Result<void> requireNone(const NormSpec& norm, const std::string& place, const char* what) const {
        if (!norm) return {};
        return refuse(norm.gain.empty() ? place : norm.gain.front(), what);
    }

    Result<void> addEmbedding() {
        const EmbeddingSpec& e = spec_.embedding;
        QS_CHECK(requireNone(e.norm, "embedding",
                             "the stream begins as the output of this norm, whose gains differ by channel"));
        if (e.projection.empty())
            stream_.tables.push_back(e.tokens);
        else
            stream_.writers.push_back({e.projection, ""});
        for (const std::string& table : {e.positions, e.types})
            if (!table.empty()) stream_.tables.push_back(table);
        return {};
    }

    Result<void> addBlock(size_t index) {
        const BlockSpec& b = spec_.blocks[index];
        const std::string place = fmt::format("block {}", index);
        for (const SublayerNorms* half : {&b.attentionNorms, &b.mlpNorms}) {
            QS_CHECK(requireNone(half->output, place,
                                 "this norm stands between a linear and the stream it writes to"));
            QS_CHECK(requireNone(half->after, place, "this norm is over the stream itself"));
        }
        if (b.residualFromNorm)
            return refuse(b.attentionNorms.before.gain.empty() ? place : b.attentionNorms.before.gain.front(),
                          "the output of this norm is the stream of the layers behind it");
        const AttentionSpec& a = b.attention;
        stream_.readers.push_back({b.attentionNorms.before, {&a.q, &a.k, &a.v}, {}});
        stream_.writers.push_back({a.o.weight, a.o.bias});
        if (!b.parallel || b.mlpNorms.before) stream_.readers.push_back({b.mlpNorms.before, {}, {}});
        addFeedForward(b, stream_.readers.back());
        return {};
    }

    void addFeedForward(const BlockSpec& b, StreamReader& reader) {
        if (!b.mixture) return addMlp(b.mlp, reader);
        for (const MlpSpec& expert : b.mixture->experts)
            addMlp(expert, reader);
        if (b.mixture->shared) addMlp(*b.mixture->shared, reader);
        for (const std::string& gate : {b.mixture->router, b.mixture->sharedGate})
            if (!gate.empty()) reader.tensors.push_back(gate);
    }

    void addMlp(const MlpSpec& m, StreamReader& reader) {
        for (const LinearSpec* l : m.linears())
            if (l != &m.down) reader.linears.push_back(l);
        stream_.writers.push_back({m.down.weight, m.down.bias});
    }

    Result<void> addHead() {
        const HeadSpec& h = spec_.head;
        if (h.weight.empty()) return refuse("head", "the checkpoint has no output head that reads it");
        StreamReader reader{h.norm, {}, {}};
        if (!h.transform.weight.empty())
            reader.linears.push_back(&h.transform);
        else
            reader.tensors.push_back(h.projection.empty() ? h.weight : h.projection);
        stream_.readers.push_back(std::move(reader));
        return {};
    }

    /// Layers that share a tensor could ask for different things of it; a tied head may.
    Result<void> requireEachOnce() const {
        std::set<std::string> seen;
        const auto once = [&](const std::string& name) -> Result<void> {
            if (name.empty() || seen.insert(name).second) return {};
            if (spec_.head.tied && name == spec_.head.weight) return {};
            return refuse(name, "several layers share this tensor");
        };
        for (const std::string& table : stream_.tables)
            QS_CHECK(once(table));
        for (const StreamWriter& w : stream_.writers) {
            QS_CHECK(once(w.weight));
            QS_CHECK(once(w.bias));
        }
        for (const StreamReader& r : stream_.readers) {
            for (const std::string& gain : r.norm.gain)
                QS_CHECK(once(gain));
            for (const LinearSpec* l : r.linears) {
                QS_CHECK(once(l->weight));
                QS_CHECK(once(l->bias));
            }
            for (const std::string& tensor : r.tensors)
                QS_CHECK(once(tensor));
        }
        return {};
    }

    const ModelSpec& spec_;
    ResidualStream stream_;
};

} // namespace

Result<ResidualStream> residualStream(const ModelSpec& spec) {
    return StreamBuilder(spec).build();
}

} // namespace qs
