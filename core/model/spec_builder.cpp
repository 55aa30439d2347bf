// SPDX-License-Identifier: Apache-2.0
#include "core/model/spec_builder.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr size_t kMostSize = 1u << 24, kMostHeads = 65536, kMostContext = 1u << 30, kMostBlocks = 100000;

std::string shapeText(const std::vector<uint64_t>& shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Logical name of a part: the stored tensor's with what distinguishes it, which no stored tensor is named.
std::string partName(const WeightPlace& place, const std::string& role) {
    if (place.whole()) return place.tensor;
    return place.tensor + "#" + role;
}

bool hasObject(const Checkpoint& c, const char* nested) {
    return nested && c.hasConfig() && c.config().contains(nested) && c.config().at(nested).is_object();
}

nlohmann::json fieldsOf(const Checkpoint& c, nlohmann::json defaults, const char* nested) {
    if (!defaults.is_object()) defaults = nlohmann::json::object();
    if (c.hasConfig()) defaults.update(hasObject(c, nested) ? c.config().at(nested) : c.config());
    return defaults;
}

bool rowsFit(const std::vector<RowRange>& rows, size_t out, size_t storedOut) {
    size_t n = 0;
    for (const RowRange& r : rows) {
        if (r.count > storedOut || r.first > storedOut - r.count) return false;
        n += r.count;
    }
    return rows.empty() ? out == storedOut : n == out;
}

} // namespace

SpecBuilder::SpecBuilder(const Checkpoint& c, const std::string& architecture, nlohmann::json defaults,
                         const char* nested)
    : fields_(std::make_unique<const nlohmann::json>(fieldsOf(c, std::move(defaults), nested)))
    , packed_(c)
    , checkpoint(c)
    , config(*fields_, c.configPlace() + (hasObject(c, nested) ? std::string(": ") + nested : "")) {
    spec.architecture = architecture;
}

SpecBuilder::~SpecBuilder() = default;

Result<void> SpecBuilder::dimensions(const DimensionKeys& keys) {
    QS_TRY(spec.hidden, config.size(keys.hidden, kMostSize));
    if (keys.intermediate) {
        QS_TRY(spec.intermediate, config.size(keys.intermediate, kMostSize));
    }
    QS_TRY(spec.vocabulary, config.size("vocab_size", kMostSize));
    QS_TRY(spec.heads, config.size(keys.heads, kMostHeads));
    QS_TRY(spec.kvHeads, config.sizeOr(keys.kvHeads, kMostHeads, spec.heads));
    QS_TRY(spec.context, config.sizeOr(keys.context, kMostContext, 2048));
    QS_TRY(blocks, config.size(keys.blocks, kMostBlocks));
    if (!config.has(keys.headDim) && spec.hidden % spec.heads != 0)
        return Error::corrupt(fmt::format("'{}' {} is not a multiple of '{}' {}", keys.hidden, spec.hidden,
                                          keys.heads, spec.heads),
                              config.where());
    QS_TRY(spec.headDim,
           config.sizeOr(keys.headDim, kMostHeads, std::max<size_t>(1, spec.hidden / spec.heads)));
    if (spec.heads % spec.kvHeads != 0)
        return Error::corrupt(fmt::format("'{}' {} is not a multiple of '{}' {}", keys.heads, spec.heads,
                                          keys.kvHeads, spec.kvHeads),
                              config.where());
    return {};
}

Result<Activation> SpecBuilder::activation(const char* key, const char* fallback) const {
    static const std::pair<const char*, Activation> kNames[] = {{"silu", Activation::Silu},
                                                                {"swish", Activation::Silu},
                                                                {"gelu", Activation::GeluErf},
                                                                {"gelu_new", Activation::GeluTanh},
                                                                {"gelu_pytorch_tanh", Activation::GeluTanh},
                                                                {"gelu_fast", Activation::GeluTanh},
                                                                {"quick_gelu", Activation::QuickGelu},
                                                                {"relu", Activation::Relu}};
    QS_TRY(const std::string name, config.textOr(key, fallback));
    std::string known;
    for (const auto& [text, activation] : kNames) {
        if (name == text) return activation;
        known += (known.empty() ? "" : ", ") + std::string(text);
    }
    return Error::unsupported(fmt::format("'{}' is {}; known: {}", key, name, known), config.where());
}

Result<Bias> SpecBuilder::bias(const char* key) const {
    if (!config.has(key)) return Bias::IfStored;
    QS_TRY(const bool said, config.booleanOr(key, false));
    return said ? Bias::Required : Bias::None;
}

std::string SpecBuilder::findPrefix(std::initializer_list<const char*> prefixes,
                                    const std::string& tensor) const {
    for (const char* p : prefixes)
        if (has(p + tensor)) return p;
    return *prefixes.begin();
}

// A shape that differs from what the config says would be read out of bounds by the forward pass.
Result<std::string> SpecBuilder::tensor(const std::string& name, const std::vector<uint64_t>& shape) const {
    const size_t i = checkpoint.find(name);
    if (i == Checkpoint::npos)
        return Error::notFound("the architecture needs this tensor and the files do not hold it", name);
    const TensorInfo& t = checkpoint.tensors()[i];
    if (t.shape != shape)
        return Error::corrupt(
            fmt::format("shape is {}, config.json says {}", shapeText(t.shape), shapeText(shape)),
            t.file + ": " + name);
    if (!t.readable())
        return Error::unsupported(fmt::format("element type {} cannot be computed with{}{}", t.typeName(),
                                              t.notReadable.empty() ? "" : ": ", t.notReadable),
                                  t.file + ": " + name);
    return name;
}

Result<NormSpec> SpecBuilder::norm(NormSpec::Kind kind, const std::string& module, size_t size,
                                   double eps) const {
    if (!(eps >= 0))
        return Error::corrupt(fmt::format("the epsilon of the norms must be 0 or more, got {}", eps),
                              config.where());
    NormSpec n;
    n.kind = kind;
    n.size = size;
    n.eps = eps;
    const std::string stored = prefix + module;
    const bool legacy = !has(stored + ".weight") && has(stored + ".gamma");
    QS_TRY(std::string gain, tensor(stored + (legacy ? ".gamma" : ".weight"), {size}));
    n.gain.push_back(std::move(gain));
    const std::string bias = stored + (legacy ? ".beta" : ".bias");
    if (kind == NormSpec::Kind::Layer && has(bias)) {
        QS_TRY(n.bias, tensor(bias, {size}));
    }
    return n;
}

Result<bool> SpecBuilder::isPacked(const std::string& module, size_t out, size_t in) const {
    QS_TRY(const auto packed, packed_.find(module));
    if (!packed) return false;
    const PackedInfo& p = packed->info();
    if (p.out != out || p.in != in)
        return Error::corrupt(
            fmt::format("packed shape is [{}, {}], config.json says [{}, {}]", p.out, p.in, out, in), module);
    return true;
}

Result<WeightPlace> SpecBuilder::place(const LinearRequest& r, const std::string& stored) const {
    const size_t storedOut = r.storedOut ? r.storedOut : r.out;
    if (!rowsFit(r.rows, r.out, storedOut))
        return Error::internal(fmt::format("its rows do not make up {} of {}", r.out, storedOut), r.module);
    WeightPlace p;
    p.rows = r.rows;
    // Packed first: an 8-bit weight has values only together with its scales.
    QS_TRY(const bool packed, isPacked(stored, storedOut, r.in));
    if (packed) {
        p.kind = WeightPlace::Kind::Packed;
        p.tensor = stored;
        return p;
    }
    p.kind = WeightPlace::Kind::Stored;
    p.transposed = r.transposed;
    const std::vector<uint64_t> shape =
        r.transposed ? std::vector<uint64_t>{r.in, storedOut} : std::vector<uint64_t>{storedOut, r.in};
    QS_TRY(p.tensor, tensor(stored + ".weight", shape));
    p.index = checkpoint.find(p.tensor);
    return p;
}

Result<void> SpecBuilder::addBias(const LinearRequest& r, const std::string& stored, LinearSpec& l) const {
    if (r.bias == Bias::None || (r.bias == Bias::IfStored && !has(stored + ".bias"))) return {};
    WeightPlace& p = l.biasPlace;
    p.kind = WeightPlace::Kind::Stored;
    p.rows = r.rows;
    QS_TRY(p.tensor, tensor(stored + ".bias", {r.storedOut ? r.storedOut : r.out}));
    p.index = checkpoint.find(p.tensor);
    l.bias = partName(p, r.role);
    return {};
}

Result<LinearSpec> SpecBuilder::linear(const LinearRequest& r) const {
    LinearSpec l;
    l.module = r.module;
    l.role = r.role;
    l.site = r.site;
    l.fusedGroup = r.fusedGroup;
    l.out = r.out;
    l.in = r.in;
    const std::string stored = prefix + (r.storedModule.empty() ? r.module : r.storedModule);
    QS_TRY(l.place, place(r, stored));
    // A packed module answers to the name its weight would have.
    const bool packed = l.place.kind == WeightPlace::Kind::Packed;
    l.weight = packed && l.place.whole() ? stored + ".weight" : partName(l.place, r.role);
    QS_CHECK(addBias(r, stored, l));
    return l;
}

Result<void> SpecBuilder::embeddingAndHead(const std::string& tokens, const std::string& head,
                                           bool tiedByDefault) {
    QS_TRY(spec.head.tied, config.booleanOr("tie_word_embeddings", tiedByDefault));
    QS_TRY(spec.embedding.tokens, tensor(tokens, {spec.vocabulary, spec.hidden}));
    constexpr std::string_view suffix = ".weight";
    QS_TRY(const bool packed,
           isPacked(head.substr(0, head.size() - suffix.size()), spec.vocabulary, spec.hidden));
    if (!has(head) && !packed) spec.head.tied = true;
    if (packed && !spec.head.tied) {
        spec.head.weight = head;
        return {};
    }
    QS_TRY(spec.head.weight, tensor(spec.head.tied ? tokens : head, {spec.vocabulary, spec.hidden}));
    return {};
}

int SpecBuilder::addRope(const RopeSpec& rope) {
    for (size_t i = 0; i < spec.ropes.size(); ++i)
        if (spec.ropes[i] == rope) return int(i);
    spec.ropes.push_back(rope);
    return int(spec.ropes.size()) - 1;
}

void SpecBuilder::addBlock(BlockSpec block) {
    block.folds = findFolds(block);
    spec.blocks.push_back(std::move(block));
}

} // namespace qs
