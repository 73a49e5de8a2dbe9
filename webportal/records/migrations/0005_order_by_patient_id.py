from django.db import migrations, models

# In small letters. Temporary identities, which nobody looks up, come after all others. The issuer
# keeps apart those who have the same Patient ID elsewhere.
FUNCTION = r"""
CREATE FUNCTION sorted_patient_id(patient_id text, issuer text, is_temporary boolean)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat(
        CASE WHEN is_temporary THEN E'\U0010FFFD' END,
        left(lower(patient_id), 100), E'\x01', left(lower(issuer), 100)
    )
$$;
"""

TRIGGERS = """
CREATE FUNCTION study_sort_patient_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sort_patient_id = (
        SELECT sorted_patient_id(patient_id, issuer, is_temporary)
        FROM records_patient WHERE id = NEW.patient_id
    );
    -- The foreign key says that there is no such patient.
    NEW.sort_patient_id = coalesce(NEW.sort_patient_id, '');
    RETURN NEW;
END $$;

CREATE FUNCTION patient_sort_patient_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE records_study SET sort_patient_id = '' WHERE patient_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER study_sort_patient_id
BEFORE INSERT OR UPDATE OF patient_id, sort_patient_id ON records_study
FOR EACH ROW EXECUTE FUNCTION study_sort_patient_id();

-- The trigger of the study fills in what is emptied here.
CREATE TRIGGER patient_sort_patient_id
AFTER UPDATE OF patient_id, issuer, is_temporary ON records_patient
FOR EACH ROW WHEN (
    (OLD.patient_id, OLD.issuer, OLD.is_temporary)
    IS DISTINCT FROM (NEW.patient_id, NEW.issuer, NEW.is_temporary)
)
EXECUTE FUNCTION patient_sort_patient_id();
"""

FILL = """
UPDATE records_study AS study
SET sort_patient_id = sorted_patient_id(patient.patient_id, patient.issuer, patient.is_temporary)
FROM records_patient AS patient WHERE patient.id = study.patient_id;
"""

BACK = """
DROP TRIGGER patient_sort_patient_id ON records_patient;
DROP TRIGGER study_sort_patient_id ON records_study;
DROP FUNCTION patient_sort_patient_id, study_sort_patient_id, sorted_patient_id;
"""


class Migration(migrations.Migration):
    dependencies = [("records", "0004_order_by_name")]

    operations = [
        migrations.AddField(
            model_name="study",
            name="sort_patient_id",
            field=models.TextField(db_collation="C", default="", editable=False),
        ),
        # Filled before the triggers are there: each of them would look the patient up again.
        migrations.RunSQL(FUNCTION + FILL + TRIGGERS, BACK),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                fields=["reading_state", "sort_patient_id", "created_at", "id"],
                name="study_patient_id",
            ),
        ),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                fields=["sort_patient_id", "created_at", "id"], name="study_all_patient_id"
            ),
        ),
    ]
