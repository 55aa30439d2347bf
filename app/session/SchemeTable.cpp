// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/SchemeTable.h"

#include "app/session/SetSchemesCommand.h"
#include "core/model/packed/packed_linear.h"

#include <QSet>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace qs::app {

using ui::EditField;
using ui::SchemeEdit;
using ui::TargetRow;
using ui::TargetState;

namespace {
constexpr int kUndoLimit = 500;
} // namespace

SchemeTable::SchemeTable(QObject* parent) : TargetTableSource(parent) {
    m_undo.setUndoLimit(kUndoLimit);
}

void SchemeTable::setModel(std::shared_ptr<const Model> model) {
    m_undo.clear();
    m_model = std::move(model);
    m_hasRun = m_running = false;
    m_seed = 0;
    m_rows.clear();
    m_indexOf.clear();
    m_schemes.clear();
    m_runSchemes.clear();
    if (m_model) {
        chooseDefault();
        for (const QuantTarget& t : m_model->targets()) {
            m_rows.push_back(identityRow(t));
            m_indexOf.insert(m_rows.back().module, int(m_rows.size()) - 1);
            m_schemes.push_back(fittingDefault(t));
        }
    }
    m_baseline = m_schemes;
    m_issueOf.assign(m_rows.size(), {});
    replan();
    for (int i = 0; i < count(); ++i)
        refreshRow(i);
    emit reset();
    emit planChanged();
}

TargetRow SchemeTable::identityRow(const QuantTarget& t) const {
    TargetRow row;
    row.module = QString::fromStdString(t.module);
    row.tensor = QString::fromStdString(t.place.tensor);
    row.name = row.module.section(QLatin1Char('.'), -1);
    row.role = QString::fromStdString(t.role);
    row.site = QString::fromStdString(t.site);
    row.fusedGroup = QString::fromStdString(t.fusedGroup);
    row.block = t.block;
    row.rows = t.rows;
    row.cols = t.cols;
    if (t.packed) {
        row.sourceType = QString::fromStdString(t.packed->format);
        row.sourceBits = t.packed->bits;
    } else {
        const TensorInfo& tensor = m_model->checkpoint().tensors()[t.place.index];
        row.sourceType = QString::fromStdString(std::string(tensor.typeName()));
        row.sourceBits = int(tensor.bits()); // of a code; scales come on top in the exact column
    }
    return row;
}

void SchemeTable::chooseDefault() {
    const bool canCalibrate = m_model->hasForward() && m_model->tokenizer();
    const MethodDescriptor* method = methods().front();
    for (const MethodDescriptor* m : methods())
        if ((m->needs == Needs::Sigma) == canCalibrate) method = m;
    if (auto made = Scheme::make(codecs().front()->id, method->id)) m_default = std::move(*made);
}

SchemeTable::SchemePtr SchemeTable::fittingDefault(const QuantTarget& t) {
    if (t.packed) return nullptr;
    const auto fits = [&](const Scheme& s) {
        const auto codec = createCodec(s.codec, s.codecParams);
        return codec && (*codec)->layout(t.rows, t.cols);
    };
    if (fits(m_default)) return share(m_default);
    for (const long long group : {64, 32, -1}) {
        const auto s = applyEdit(&m_default, SchemeEdit::codecParam("group", group), m_default);
        if (s && fits(**s)) return share(**s);
    }
    return nullptr;
}

SchemeTable::SchemePtr SchemeTable::share(const Scheme& scheme) {
    SchemePtr& known = m_shared[scheme.toJson().dump()];
    if (!known) known = std::make_shared<const Scheme>(scheme);
    return known;
}

const SchemeTable::SchemeInfo& SchemeTable::infoOf(const SchemePtr& scheme) {
    const auto [it, fresh] = m_info.try_emplace(scheme.get());
    SchemeInfo& info = it->second;
    if (!fresh) return info;
    if (const auto codec = createCodec(scheme->codec, scheme->codecParams)) {
        info.format = QString::fromStdString((*codec)->label());
        info.bits = (*codec)->bits();
    } else {
        info.format = QString::fromStdString(scheme->codec);
    }
    const auto method = findMethod(scheme->method);
    info.method = QString::fromStdString(method ? (*method)->label : scheme->method);
    const auto group = scheme->codecParams.values().find("group");
    if (group != scheme->codecParams.values().end() && std::holds_alternative<long long>(group->second)) {
        info.hasGroup = true;
        info.group = std::get<long long>(group->second);
    }
    return info;
}

QString SchemeTable::edit(const QVector<int>& targets, const SchemeEdit& edit, int dragId) {
    std::unordered_map<const Scheme*, SchemePtr> answers; // few distinct schemes, many rows
    std::vector<int> changed;
    std::vector<SchemePtr> after;
    bool differs = false;
    for (const int t : targets) {
        if (t < 0 || t >= count()) continue;
        if (const auto& packed = m_model->targets()[size_t(t)].packed)
            return tr("%1 is already quantized in the checkpoint (%2). Open the original model.")
                .arg(row(t).module, QString::fromStdString(packed->label));
        const SchemePtr& before = m_schemes[size_t(t)];
        auto known = answers.find(before.get());
        if (known == answers.end()) {
            auto made = applyEdit(before.get(), edit, m_default);
            if (!made) return QString::fromStdString(made.error().message);
            known = answers.emplace(before.get(), *made ? share(**made) : nullptr).first;
        }
        differs |= known->second != before;
        // One drag is one step over the same tensors, also over those that it leaves as they are for now.
        if (known->second == before && dragId == 0) continue;
        changed.push_back(t);
        after.push_back(known->second);
    }
    if (differs)
        m_undo.push(new SetSchemesCommand(this, editText(QVector<int>(changed.begin(), changed.end()), edit),
                                          changed, after, {}, dragId));
    return {};
}

QString SchemeTable::editText(const QVector<int>& targets, const SchemeEdit& edit) const {
    const TargetRow& first = row(targets.front());
    QString what = tr("%1 tensors").arg(targets.size());
    if (targets.size() == 1)
        what = first.block < 0 ? first.module : tr("%1, block %2").arg(first.name).arg(first.block);
    const QString key = QString::fromStdString(edit.key);
    const auto value = [&] {
        return QString::fromStdString(paramValueToJson(edit.value).dump()).remove('"');
    };
    switch (edit.kind) {
    case SchemeEdit::Kind::Keep:
        return tr("Keep %1").arg(what);
    case SchemeEdit::Kind::Scheme:
        return tr("Set scheme of %1").arg(what);
    case SchemeEdit::Kind::Codec:
        return tr("Set %1 to %2").arg(what, key);
    case SchemeEdit::Kind::CodecParam:
        if (edit.key == "bits") return tr("Set %1 to %2 bits").arg(what, value());
        return tr("Set %1 of %2 to %3").arg(key, what, value());
    case SchemeEdit::Kind::Method: {
        const auto method = findMethod(edit.key);
        return tr("Set %1 to %2").arg(what, method ? QString::fromStdString((*method)->label) : key);
    }
    case SchemeEdit::Kind::MethodParam:
        return tr("Set %1 of %2 to %3").arg(key, what, value());
    }
    return {};
}

bool SchemeTable::editable(int target, EditField field) const {
    if (m_model->targets()[size_t(target)].packed) return false;
    const TargetRow& r = row(target);
    return field == EditField::Bits || (field == EditField::Group ? r.hasGroup : bool(r.scheme));
}

QVector<ui::EditChoice> SchemeTable::choices(int target, EditField field) const {
    QVector<ui::EditChoice> out;
    if (!editable(target, field)) return out;
    const TargetRow& r = row(target);
    if (field == EditField::Method) {
        for (const MethodDescriptor* m : methods())
            out.push_back({QString::fromStdString(m->label), QString::fromStdString(m->id)});
        return out;
    }
    const auto codec = findCodec(r.scheme ? r.scheme->codec : m_default.codec);
    if (!codec) return out;
    const char* key = field == EditField::Bits ? "bits" : "group";
    for (const ParamSpec& s : (*codec)->params) {
        if (s.key != key || s.type != ParamType::Int) continue;
        if (field == EditField::Bits)
            for (int b = int(s.minimum); b <= int(s.maximum); ++b)
                out.push_back({QString::number(b), b});
        else {
            for (const int g : {16, 32, 64, 128, 256, 512, 1024})
                if (r.cols % quint64(g) == 0 && g >= s.minimum && g <= s.maximum)
                    out.push_back({QString::number(g), g});
            if (s.minimum <= -1) out.push_back({tr("channel"), -1});
            if (s.minimum <= 0) out.push_back({tr("tensor"), 0});
        }
    }
    if (field == EditField::Bits) out.push_back({tr("keep %1").arg(r.sourceType), 0});
    return out;
}

SchemeEdit SchemeTable::editFor(EditField field, const QVariant& value) const {
    switch (field) {
    case EditField::Bits:
        return value.toInt() > 0 ? SchemeEdit::codecParam("bits", value.toLongLong()) : SchemeEdit::keep();
    case EditField::Group:
        return SchemeEdit::codecParam("group", value.toLongLong());
    case EditField::Method:
        return SchemeEdit::method(value.toString().toStdString());
    }
    return {};
}

void SchemeTable::assign(const std::vector<int>& targets, const std::vector<SchemePtr>& schemes,
                         quint64 seed) {
    for (size_t i = 0; i < targets.size(); ++i)
        m_schemes[size_t(targets[i])] = schemes[i];
    m_seed = seed;
    const auto issuesBefore = m_issueOf;
    replan();
    QSet<int> touched(targets.begin(), targets.end());
    for (int t = 0; t < count(); ++t) // a neighbour in the same fused group may have got or lost a warning
        if (m_issueOf[size_t(t)] != issuesBefore[size_t(t)]) touched.insert(t);
    QVector<int> rows(touched.begin(), touched.end());
    std::sort(rows.begin(), rows.end());
    for (const int t : rows)
        refreshRow(t);
    emit rowsChanged(rows, Change::Edited);
    emit planChanged();
}

void SchemeTable::replan() {
    m_plan = Plan();
    m_issueOf.assign(m_rows.size(), {});
    if (!m_model) return;
    std::vector<std::optional<Scheme>> schemes;
    schemes.reserve(m_schemes.size());
    for (const SchemePtr& s : m_schemes)
        schemes.push_back(s ? std::optional<Scheme>(*s) : std::nullopt);
    m_plan = planFromSchemes(schemes, *m_model, m_seed);
    QHash<QString, QVector<int>> fused;
    for (int t = 0; t < count(); ++t)
        if (!row(t).fusedGroup.isEmpty()) fused[row(t).fusedGroup].push_back(t);
    for (const LintIssue& issue : m_plan.issues) {
        const QString where = QString::fromStdString(issue.where);
        const bool error = issue.severity == Severity::Error;
        QVector<int> at = fused.value(where);
        if (const int t = indexOf(where); t >= 0) at.push_back(t);
        for (const int t : at) {
            auto& slot = m_issueOf[size_t(t)];
            if (slot.first.isEmpty() || (error && !slot.second))
                slot = {QString::fromStdString(issue.message), error};
        }
    }
}

void SchemeTable::refreshRow(int target) {
    const auto t = size_t(target);
    TargetRow& r = m_rows[t];
    const PlanEntry& entry = m_plan.entries[t];
    r.scheme = m_schemes[t];
    r.bytesBefore = entry.bytesBefore;
    r.bytesAfter = entry.bytesAfter;
    const double weights = double(r.rows) * double(r.cols);
    r.bitsPerWeight = weights > 0 ? 8.0 * double(r.bytesAfter) / weights : 0;
    const SchemeInfo info =
        r.scheme ? infoOf(r.scheme) : SchemeInfo{r.sourceType, {}, r.sourceBits, false, 0};
    r.format = info.format;
    r.method = info.method;
    r.bits = info.bits;
    r.hasGroup = info.hasGroup;
    r.group = info.group;
    r.edited = m_schemes[t] != m_baseline[t];
    const bool hasResult = !r.done.isEmpty();
    r.stale = hasResult && m_schemes[t] != m_runSchemes[t];
    r.message = m_issueOf[t].first;
    const bool queued = m_running && m_runSchemes[t];
    r.state = m_issueOf[t].second ? TargetState::Failed
              : hasResult         ? TargetState::Done
              : queued            ? TargetState::Queued
              : r.scheme          ? TargetState::Planned
                                  : TargetState::Kept;
}

} // namespace qs::app
