// SPDX-License-Identifier: GPL-3.0-or-later
// Where tables, trees and heat maps take their rows from, and where their edits go. Implemented by the
// application; the widgets know nothing else of it. GUI thread only.
#pragma once

#include "widgets/models/SchemeEdit.h"
#include "widgets/models/TargetNames.h"
#include "widgets/models/TargetRow.h"

#include <QObject>
#include <QVariant>
#include <QVector>

namespace qs::ui {

/// The cells that can be edited in place.
enum class EditField { Bits, Group, Method, Inputs };

/// A value that a cell may take.
struct EditChoice {
    QString label;
    QVariant value; ///< int: bits (0 = keep), group; QString: method id, preset of inputs
};

class TargetTableSource : public QObject {
    Q_OBJECT
public:
    /// Edited: what the user chose changed. Measured: numbers arrived.
    enum class Change { Edited, Measured };

    using QObject::QObject;
    virtual int count() const = 0;
    virtual const TargetRow& row(int target) const = 0;
    /// Never null. Those of 100k rows take a while: a source that knows them keeps them.
    virtual std::shared_ptr<const TargetNames> names() const;
    /// One undo step. Edits of one drag share a `dragId` > 0 and become one step. Returns "" or why it was
    /// refused.
    virtual QString edit(const QVector<int>& targets, const SchemeEdit& edit, int dragId = 0) = 0;
    virtual bool editable(int target, EditField field) const = 0;
    /// What the cell of a target may become; empty when it cannot be edited.
    virtual QVector<EditChoice> choices(int target, EditField field) const = 0;
    /// The edit that sets a cell to one of its choices.
    virtual SchemeEdit editFor(EditField field, const QVariant& value) const = 0;

signals:
    void reset(); ///< another model: everything is different
    void rowsChanged(const QVector<int>& targets, qs::ui::TargetTableSource::Change change);
};

} // namespace qs::ui
