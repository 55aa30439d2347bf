// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/SchemeTable.h"

#include "app/session/SetSchemesCommand.h"
#include "core/model/packed/packed_linear.h"
#include "core/recipe/plan_rules.h"

#include <fmt/format.h>
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

/// Clears the undo steps, the plan and the schemes of the run; what they held is returned.
std::vector<std::shared_ptr<const void>> SchemeTable::takeHistory() {
    std::vector<std::shared_ptr<const void>> out;
    for (int i = 0; i < m_undo.count(); ++i)
        if (const auto* step = dynamic_cast<const SetSchemesCommand*>(m_undo.command(i)))
            out.push_back(step->content());
    m_undo.clear();
    out.push_back(std::shared_ptr<const Plan>(std::move(m_plan)));
    for (auto* schemes : {&m_runSchemes, &m_baseline})
        out.push_back(std::make_shared<std::vector<SchemePtr>>(std::exchange(*schemes, {})));
    return out;
}

std::unique_ptr<TableStart> SchemeTable::setModel(std::unique_ptr<TableStart> start) {
    TableStart now = start ? std::move(*start) : TableStart();
    auto before = std::make_unique<TableStart>(
        TableStart{std::move(m_model), std::move(m_default), std::move(m_book), std::move(m_live),
                   std::move(m_rows), std::move(m_indexOf), std::move(m_names), takeHistory()});
    m_hasRun = m_running = false;
    m_settings = {};
    m_kl.clear();
    m_calibration.clear();
    m_ruleIssues.clear();
    m_model = std::move(now.model);
    m_default = std::move(now.defaultScheme);
    m_book = std::move(now.book);
    m_live = std::move(now.plan);
    m_rows = std::move(now.rows);
    m_indexOf = std::move(now.indexOf);
    m_names = std::move(now.names);
    m_baseline = schemes();
    emit reset();
    emit planChanged();
    return before;
}

QString SchemeTable::edit(const QVector<int>& targets, const SchemeEdit& edit, int dragId) {
    std::unordered_map<const Scheme*, SchemePtr> answers; // few distinct schemes, many rows
    std::vector<int> changed;
    std::vector<SchemePtr> after;
    bool differs = false;
    auto known = answers.end(); // neighbours share most often
    for (const int t : targets) {
        if (t < 0 || t >= count()) continue;
        if (const PackedInfo* packed = m_live.packed(size_t(t)))
            return tr("%1 is already quantized in the checkpoint (%2). Open the original model.")
                .arg(row(t).module, QString::fromStdString(packed->label));
        const SchemePtr& before = schemes()[size_t(t)];
        if (known == answers.end() || known->first != before.get()) known = answers.find(before.get());
        if (known == answers.end()) {
            auto made = applyEdit(before.get(), edit, m_default);
            if (!made) return QString::fromStdString(made.error().message);
            known = answers.emplace(before.get(), *made ? m_book.share(**made) : nullptr).first;
        }
        differs |= known->second != before;
        // One drag is one step over the same tensors, also over those that it leaves as they are for now.
        if (known->second == before && dragId == 0) continue;
        changed.push_back(t);
        after.push_back(known->second);
    }
    if (!differs) return {};
    const QString text = editText(changed.front(), changed.size(), edit);
    m_undo.push(new SetSchemesCommand(this, text, std::move(changed), std::move(after), {}, dragId));
    return {};
}

QString SchemeTable::editText(int target, size_t count, const SchemeEdit& edit) const {
    const TargetRow& first = row(target);
    QString what = tr("%n tensors", nullptr, int(count));
    if (count == 1)
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
    case SchemeEdit::Kind::Inputs:
        return key.isEmpty() ? tr("Leave the inputs of %1 as they are").arg(what)
                             : tr("Round the inputs of %1 to %2").arg(what, key);
    case SchemeEdit::Kind::Outputs:
        return key.isEmpty() ? tr("Leave the outputs of %1 as they are").arg(what)
                             : tr("Round the outputs of %1 to %2").arg(what, key);
    }
    return {};
}

bool SchemeTable::editable(int target, EditField field) const {
    if (m_model->targets()[size_t(target)].packed) return false;
    const TargetRow& r = row(target);
    return field == EditField::Bits || (field == EditField::Group ? r.info->hasGroup : r.hasScheme());
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
    if (field == EditField::Inputs) {
        out.push_back({tr("as they are"), QString()});
        for (const std::string& preset : InputScheme::presets())
            out.push_back({QString::fromStdString(preset), QString::fromStdString(preset)});
        return out;
    }
    const auto codec = findCodec(r.hasScheme() ? r.info->scheme->codec : m_default.codec);
    if (!codec) return out;
    if (field == EditField::Bits) {
        for (const int b : (*codec)->bits)
            out.push_back({QString::number(b), b});
        out.push_back({tr("keep %1").arg(r.sourceType), 0});
        return out;
    }
    for (const ParamSpec& s : (*codec)->params) {
        if (s.key != "group" || s.type != ParamType::Int) continue;
        for (const int g : {16, 32, 64, 128, 256, 512, 1024})
            if (r.cols % quint64(g) == 0 && g >= s.minimum && g <= s.maximum)
                out.push_back({QString::number(g), g});
        if (s.minimum <= -1) out.push_back({tr("channel"), -1});
        if (s.minimum <= 0) out.push_back({tr("tensor"), 0});
    }
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
    case EditField::Inputs:
        return SchemeEdit::inputs(value.toString().toStdString());
    }
    return {};
}

void SchemeTable::assign(const std::vector<int>& targets, const std::vector<SchemePtr>& schemes,
                         const PlanSettings& settings) {
    const bool rescaled = settings.model() != m_settings.model();
    m_settings = settings;
    m_ruleIssues.clear();
    m_plan.reset();
    const std::vector<size_t> changed(targets.begin(), targets.end());
    QVector<int> rows;
    for (const size_t t : m_live.assign(changed, schemes)) {
        refreshRow(int(t));
        rows.push_back(int(t));
    }
    if (rescaled) { // every result of a run is another's now, or this one's again
        rows.clear();
        for (int t = 0; t < count(); ++t) {
            refreshRow(t);
            rows.push_back(t);
        }
    }
    emit rowsChanged(rows, Change::Edited);
    emit planChanged();
}

std::vector<LintIssue> SchemeTable::issues() const {
    auto out = m_live.issues();
    out.insert(out.end(), m_ruleIssues.begin(), m_ruleIssues.end());
    const auto own = transformIssues();
    out.insert(out.end(), own.begin(), own.end());
    const auto settings = settingsIssues();
    out.insert(out.end(), settings.begin(), settings.end());
    return out;
}

/// What the recipe says of the model and no control shows.
std::vector<LintIssue> SchemeTable::settingsIssues() const {
    std::vector<LintIssue> out;
    if (!m_model) return out;
    if (auto issue = ruleOnKvCache(m_settings, *m_model)) out.push_back(std::move(*issue));
    if (auto issue = ruleOnProbabilities(m_settings, *m_model)) out.push_back(std::move(*issue));
    if (auto issue = ruleOnStoredCache(*m_model)) out.push_back(std::move(*issue));
    if (m_settings.kvCache)
        out.push_back({Severity::Info, "kv-cache", "",
                       "The KV cache is rounded when the model runs (" + m_settings.kvCache->label() +
                           "): the recipe says so."});
    if (m_settings.probabilities)
        out.push_back({Severity::Info, "probabilities", "",
                       "The probabilities of attention are rounded when the model runs (" +
                           m_settings.probabilities->label() + "): the recipe says so."});
    if (m_settings.tokenWeights)
        out.push_back(
            {Severity::Info, "token-weights", "",
             fmt::format("Tokens count by the attention they receive, the least {:g} of the most: the "
                         "recipe says so.",
                         m_settings.tokenWeights->least)});
    return out;
}

std::vector<LintIssue> SchemeTable::transformIssues() const {
    if (m_settings.transforms.empty() || !m_model) return {};
    auto out = ruleOnTransforms(m_settings.transforms, *m_model, [this](const std::string& module) {
        const int t = indexOf(QString::fromStdString(module));
        return t >= 0 && schemes()[size_t(t)];
    });
    std::string names;
    for (const TransformUse& use : m_settings.transforms)
        names += (names.empty() ? "" : ", ") + use.id;
    out.push_back(
        {Severity::Info, "transform", "",
         "Channels are scaled by " + names + " before the model is quantized: the recipe says so."});
    return out;
}

const Plan& SchemeTable::plan() const {
    if (!m_plan) {
        Plan plan = m_model ? m_live.toPlan(m_settings.seed) : Plan();
        static_cast<ModelSettings&>(plan) = m_settings;
        plan.issues = issues();
        m_plan = std::make_unique<const Plan>(std::move(plan));
    }
    return *m_plan;
}

bool SchemeTable::isOfRun(size_t target) const {
    return schemes()[target] == m_runSchemes[target] && m_settings.model() == m_runSettings;
}

void SchemeTable::refreshRow(int target) {
    const auto t = size_t(target);
    TargetRow& r = m_rows[t];
    describePlan(r, m_live, t, m_book);
    r.edited = schemes()[t] != m_baseline[t];
    const bool hasResult = !r.done.isEmpty();
    r.stale = hasResult && !isOfRun(t);
    if (!m_kl.isEmpty()) refreshKl(target);
    if (r.state == TargetState::Failed) return;
    if (hasResult)
        r.state = TargetState::Done;
    else if (m_running && m_runSchemes[t])
        r.state = TargetState::Queued;
}

void SchemeTable::refreshKl(int target) {
    const auto found = m_kl.constFind(target);
    if (found == m_kl.cend()) return;
    const bool byRun = found->as == MeasuredKl::As::Run;
    TargetRow& r = m_rows[size_t(target)];
    r.klStale =
        schemes()[size_t(target)] != found->scheme || (byRun && found->transforms != m_settings.transforms) ||
        (!m_calibration.empty() && !found->calibration.empty() && found->calibration != m_calibration);
    r.klNearest = found->as == MeasuredKl::As::Nearest;
    r.klUnscaled = !byRun && !m_settings.transforms.empty();
}

} // namespace qs::app
