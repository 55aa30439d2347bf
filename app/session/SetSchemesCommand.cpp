// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/SetSchemesCommand.h"

namespace qs::app {

SetSchemesCommand::SetSchemesCommand(SchemeTable* table, QString text, std::vector<int> targets,
                                     std::vector<SchemeTable::SchemePtr> after,
                                     std::optional<PlanSettings> settings, int dragId)
    : QUndoCommand(text)
    , m_table(table)
    , m_targets(std::move(targets))
    , m_after(std::move(after))
    , m_settingsBefore(table->settings())
    , m_settingsAfter(settings.value_or(table->settings()))
    , m_dragId(dragId) {
    for (const int t : m_targets)
        m_before.push_back(table->schemes()[size_t(t)]);
}

void SetSchemesCommand::undo() {
    m_table->assign(m_targets, m_before, m_settingsBefore);
}
void SetSchemesCommand::redo() {
    m_table->assign(m_targets, m_after, m_settingsAfter);
}

bool SetSchemesCommand::mergeWith(const QUndoCommand* other) {
    const auto* next = static_cast<const SetSchemesCommand*>(other);
    if (next->m_dragId != m_dragId || next->m_targets != m_targets) return false;
    m_after = next->m_after;
    m_settingsAfter = next->m_settingsAfter;
    setText(next->text());
    setObsolete(m_after == m_before && m_settingsAfter == m_settingsBefore);
    return true;
}

} // namespace qs::app
