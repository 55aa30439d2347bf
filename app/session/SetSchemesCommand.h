// SPDX-License-Identifier: GPL-3.0-or-later
// The one undo command of the document: some tensors got other schemes. Schemes are shared, so a step over
// 100k tensors is three vectors.
#pragma once

#include "app/session/SchemeTable.h"

#include <QUndoCommand>

namespace qs::app {

class SetSchemesCommand : public QUndoCommand {
public:
    SetSchemesCommand(SchemeTable* table, QString text, std::vector<int> targets,
                      std::vector<SchemeTable::SchemePtr> after, std::optional<PlanSettings> settings,
                      int dragId);

    void undo() override;
    void redo() override;
    int id() const override { return m_dragId > 0 ? 1 : -1; }
    /// Steps of one drag over the same tensors become one; a drag that ends where it began leaves none.
    bool mergeWith(const QUndoCommand* other) override;
    /// What it holds, for freeing it elsewhere.
    std::shared_ptr<const void> content() const { return m_change; }

private:
    struct SchemeChange {
        std::vector<int> targets;
        std::vector<SchemeTable::SchemePtr> before, after;
    };
    SchemeTable* m_table;
    std::shared_ptr<SchemeChange> m_change;
    PlanSettings m_settingsBefore, m_settingsAfter;
    int m_dragId;
};

} // namespace qs::app
