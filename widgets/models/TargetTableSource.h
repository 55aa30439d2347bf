// SPDX-License-Identifier: GPL-3.0-or-later
// Where tables, trees and heat maps take their rows from, and where their edits go. Implemented by the
// application; the widgets know nothing else of it. GUI thread only.
#pragma once

#include "widgets/models/TargetRow.h"

#include <QObject>
#include <QVariant>
#include <QVector>

namespace qs::ui {

/// One change of one aspect of the schemes of some tensors; the other aspects keep their values.
struct SchemeEdit {
    enum class Kind {
        Keep,   ///< back to the source format
        Scheme, ///< replaces everything by `scheme`
        Codec,  ///< another codec by id, with its defaults (parameters of the same name and type are carried
                ///< over)
        CodecParam,  ///< `key` = `value`
        Method,      ///< another method by id, with its defaults
        MethodParam, ///< `key` = `value`
    };
    Kind kind = Kind::Keep;
    std::string key; ///< id of the codec or method, or the parameter's key
    ParamValue value{};
    Scheme scheme{};

    static SchemeEdit keep() { return {}; }
    static SchemeEdit replace(Scheme s) { return {Kind::Scheme, {}, {}, std::move(s)}; }
    static SchemeEdit codec(std::string id) { return {Kind::Codec, std::move(id), {}, {}}; }
    static SchemeEdit method(std::string id) { return {Kind::Method, std::move(id), {}, {}}; }
    static SchemeEdit codecParam(std::string key, ParamValue v) {
        return {Kind::CodecParam, std::move(key), std::move(v), {}};
    }
    static SchemeEdit methodParam(std::string key, ParamValue v) {
        return {Kind::MethodParam, std::move(key), std::move(v), {}};
    }
};

/// The cells that can be edited in place.
enum class EditField { Bits, Group, Method };

/// A value that a cell may take.
struct EditChoice {
    QString label;
    QVariant value; ///< int for bits (0 = keep) and group, method id for Method
};

class TargetTableSource : public QObject {
    Q_OBJECT
public:
    /// Edited: what the user chose changed. Measured: numbers arrived.
    enum class Change { Edited, Measured };

    using QObject::QObject;
    virtual int count() const = 0;
    virtual const TargetRow& row(int target) const = 0;
    /// One undo step. Edits of one drag share a `dragId` > 0 and become one step. Returns "" or why it was
    /// refused.
    virtual QString edit(const QVector<int>& targets, const SchemeEdit& edit, int dragId = 0) = 0;
    /// What the cell of a target may become; empty when it cannot be edited.
    virtual QVector<EditChoice> choices(int target, EditField field) const = 0;
    /// The edit that sets a cell to one of its choices.
    virtual SchemeEdit editFor(EditField field, const QVariant& value) const = 0;

signals:
    void reset(); ///< another model: everything is different
    void rowsChanged(const QVector<int>& targets, qs::ui::TargetTableSource::Change change);
};

} // namespace qs::ui
