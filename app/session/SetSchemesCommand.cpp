// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/SetSchemesCommand.h"

namespace qs::app {

SetSchemesCommand::SetSchemesCommand(SchemeTable* table, QString text, std::vector<int> targets,
                                     std::vector<SchemeTable::SchemePtr> after, std::optional<quint64> seed,
                                     int dragId)
    : QUndoCommand(text)
    , m_table(table)
    , m_targets(std::move(targets))
    , m_after(std::move(after))
    , m_seedBefore(table->seed())
    , m_seedAfter(seed.value_or(table->seed()))
    , m_dragId(dragId) {
    for (const int t : m_targets)
        m_before.push_back(table->schemes()[size_t(t)]);
}

void SetSchemesCommand::undo() {
    m_table->assign(m_targets, m_before, m_seedBefore);
}
void SetSchemesCommand::redo() {
    m_table->assign(m_targets, m_after, m_seedAfter);
}

bool SetSchemesCommand::mergeWith(const QUndoCommand* other) {
    const auto* next = static_cast<const SetSchemesCommand*>(other);
    if (next->m_dragId != m_dragId || next->m_targets != m_targets) return false;
    m_after = next->m_after;
    m_seedAfter = next->m_seedAfter;
    setText(next->text());
    setObsolete(m_after == m_before && m_seedAfter == m_seedBefore);
    return true;
}

} // namespace qs::app
