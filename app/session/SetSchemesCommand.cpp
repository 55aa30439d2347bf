// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/SetSchemesCommand.h"

namespace qs::app {

SetSchemesCommand::SetSchemesCommand(SchemeTable* table, QString text, std::vector<int> targets,
                                     std::vector<SchemeTable::SchemePtr> after,
                                     std::optional<PlanSettings> settings, int dragId)
    : QUndoCommand(text)
    , m_table(table)
    , m_change(std::make_shared<SchemeChange>(SchemeChange{std::move(targets), {}, std::move(after)}))
    , m_settingsBefore(table->settings())
    , m_settingsAfter(settings.value_or(table->settings()))
    , m_dragId(dragId) {
    m_change->before.reserve(m_change->targets.size());
    for (const int t : m_change->targets)
        m_change->before.push_back(table->schemes()[size_t(t)]);
}

void SetSchemesCommand::undo() {
    m_table->assign(m_change->targets, m_change->before, m_settingsBefore);
}
void SetSchemesCommand::redo() {
    m_table->assign(m_change->targets, m_change->after, m_settingsAfter);
}

bool SetSchemesCommand::mergeWith(const QUndoCommand* other) {
    const auto* next = static_cast<const SetSchemesCommand*>(other);
    if (next->m_dragId != m_dragId || next->m_change->targets != m_change->targets) return false;
    m_change->after = next->m_change->after;
    m_settingsAfter = next->m_settingsAfter;
    setText(next->text());
    setObsolete(m_change->after == m_change->before && m_settingsAfter == m_settingsBefore);
    return true;
}

} // namespace qs::app
