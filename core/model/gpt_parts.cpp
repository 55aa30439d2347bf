// SPDX-License-Identifier: Apache-2.0
#include "core/model/gpt_parts.h"

#include <bit>
#include <cmath>

namespace qs {

namespace {

/// The rows of q (part 0), k (1) or v (2) in the stored linear.
std::vector<RowRange> qkvRows(FusedAttentionOptions::Rows layout, const ModelSpec& s, int part) {
    const size_t q = s.heads * s.headDim, kv = s.kvHeads * s.headDim;
    if (layout == FusedAttentionOptions::Rows::Blocks)
        return {part == 0 ? RowRange{0, q} : part == 1 ? RowRange{q, kv} : RowRange{q + kv, kv}};
    const size_t queries = s.heads / s.kvHeads, group = (queries + 2) * s.headDim;
    std::vector<RowRange> rows;
    for (size_t g = 0; g < s.kvHeads; ++g) {
        if (part == 0)
            rows.push_back({g * group, queries * s.headDim});
        else
            rows.push_back({g * group + (queries + size_t(part) - 1) * s.headDim, s.headDim});
    }
    return rows;
}

/// "attn." of "attn.c_attn".
std::string parentOf(const std::string& module) {
    return module.substr(0, module.rfind('.') + 1);
}

} // namespace

Result<AttentionSpec> fusedAttention(const SpecBuilder& b, const std::string& layer,
                                     const FusedAttentionOptions& options) {
    const ModelSpec& s = b.spec;
    const size_t q = s.heads * s.headDim, kv = s.kvHeads * s.headDim;
    AttentionSpec a;
    a.heads = s.heads;
    a.kvHeads = s.kvHeads;
    a.headDim = s.headDim;
    a.scale = 1.0 / std::sqrt(double(s.headDim));
    const char* const roles[] = {"q", "k", "v"};
    LinearSpec* const linears[] = {&a.q, &a.k, &a.v};
    for (int part = 0; part < 3; ++part) {
        LinearRequest r;
        r.module = layer + parentOf(options.qkv) + roles[part] + "_proj";
        r.role = roles[part];
        r.site = layer + "attn";
        r.fusedGroup = layer + "qkv";
        r.out = part == 0 ? q : kv;
        r.in = s.hidden;
        r.bias = options.bias;
        r.storedModule = layer + options.qkv;
        r.rows = qkvRows(options.rows, s, part);
        r.storedOut = q + 2 * kv;
        r.transposed = options.transposed;
        QS_TRY(*linears[part], b.linear(r));
    }
    LinearRequest o;
    o.module = layer + options.out;
    o.role = "o";
    o.site = layer + "o";
    o.out = s.hidden;
    o.in = q;
    o.bias = options.bias;
    o.transposed = options.transposed;
    QS_TRY(a.o, b.linear(o));
    return a;
}

Result<MlpSpec> plainMlp(const SpecBuilder& b, const std::string& layer, const PlainMlpOptions& options) {
    LinearRequest up;
    up.module = layer + options.up;
    up.role = "up";
    up.site = layer + options.site;
    up.out = b.spec.intermediate;
    up.in = b.spec.hidden;
    up.bias = options.bias;
    up.transposed = options.transposed;
    LinearRequest down = up;
    down.module = layer + options.down;
    down.role = "down";
    down.site = layer + "down";
    std::swap(down.out, down.in);
    MlpSpec m;
    m.gated = false;
    m.activation = options.activation;
    QS_TRY(m.up, b.linear(up));
    QS_TRY(m.down, b.linear(down));
    return m;
}

std::vector<float> alibiSlopes(size_t heads) {
    const size_t power = std::bit_floor(heads);
    std::vector<float> slopes;
    for (size_t i = 1; i <= power; ++i)
        slopes.push_back(float(std::exp2(-8.0 * double(i) / double(power))));
    for (size_t i = 1; slopes.size() < heads; i += 2)
        slopes.push_back(float(std::exp2(-4.0 * double(i) / double(power))));
    return slopes;
}

const char* presentKey(const ConfigReader& config, std::initializer_list<const char*> keys) {
    for (const char* key : keys)
        if (config.has(key)) return key;
    return *keys.begin();
}

} // namespace qs
