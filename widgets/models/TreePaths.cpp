// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/TreePaths.h"

#include "widgets/models/ModelTreeModel.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

namespace qs::ui {

namespace {

bool isNumber(const QString& s) {
    return !s.isEmpty() && std::all_of(s.begin(), s.end(), [](QChar c) { return c >= '0' && c <= '9'; });
}

/// "model.layers.0.self_attn.q_proj.weight" -> block 0, self_attn, q_proj. The block's number, or -1, into
/// `block`.
QStringList pathOf(const QString& name, int& block) {
    QStringList parts = name.split(QLatin1Char('.'));
    if (parts.size() > 1 && parts.front() == QLatin1String("model")) parts.removeFirst();
    if (parts.size() > 1) {
        const QString last = parts.takeLast();
        if (last != QLatin1String("weight")) parts.back() += QLatin1Char('.') + last;
    }
    block = -1;
    // "layers.0" and its likes become one part.
    for (qsizetype i = 0; i + 1 < parts.size(); ++i) {
        if (!isNumber(parts[i + 1])) continue;
        block = parts[i + 1].toInt();
        parts[i] = ModelTreeModel::tr("block %1").arg(parts[i + 1]);
        parts.removeAt(i + 1);
        if (parts.size() == i + 2 && parts.back().contains(QLatin1String("norm")))
            parts.insert(i + 1, ModelTreeModel::tr("norms"));
        break;
    }
    return parts;
}

/// Embedding, blocks, the rest, output head.
int sectionOf(QStringView lower, int block) {
    if (block >= 0) return 1;
    if (lower.contains(QLatin1String("embed")) || lower.contains(QLatin1String("wte"))) return 0;
    if (lower.contains(QLatin1String("lm_head")) || lower.startsWith(QLatin1String("output."))) return 3;
    return 2;
}

} // namespace

std::shared_ptr<const TreePaths> TreePaths::of(const Checkpoint& checkpoint, const QStringList& targets) {
    auto out = std::make_shared<TreePaths>();
    const size_t n = checkpoint.tensors().size();
    out->parts.resize(n);
    out->block.resize(n);
    out->targetOf.assign(n, -1);
    out->tensorOf.assign(size_t(targets.size()), -1);
    QHash<QString, int> byTensor;
    byTensor.reserve(targets.size());
    for (int t = 0; t < int(targets.size()); ++t)
        byTensor.insert(targets[t], t);
    for (size_t i = 0; i < n; ++i) {
        const QString name = QString::fromStdString(checkpoint.tensors()[i].name);
        out->parts[i] = pathOf(name, out->block[i]);
        out->names.append(name);
        out->targetOf[i] = byTensor.value(name, -1);
        if (out->targetOf[i] >= 0) out->tensorOf[size_t(out->targetOf[i])] = int(i);
    }
    out->sorted.resize(n);
    std::iota(out->sorted.begin(), out->sorted.end(), 0);
    std::vector<std::tuple<int, int, int>> keys(n);
    for (size_t i = 0; i < n; ++i)
        // Targets are in the order of the forward pass; what is kept follows them.
        keys[i] = {sectionOf(out->names.at(i), out->block[i]), out->block[i],
                   out->targetOf[i] < 0 ? std::numeric_limits<int>::max() : out->targetOf[i]};
    std::stable_sort(out->sorted.begin(), out->sorted.end(), [&](int a, int b) {
        const auto &x = keys[size_t(a)], &y = keys[size_t(b)];
        return x != y ? x < y : naturalLess(out->names.at(size_t(a)), out->names.at(size_t(b)));
    });
    out->place.resize(n);
    for (size_t i = 0; i < n; ++i)
        out->place[size_t(out->sorted[i])] = int(i);
    return out;
}

} // namespace qs::ui
