"""AWS on this machine: moto, and the CloudFormation resources of our stack and of `cdk bootstrap` that moto lacks.

Each added resource calls the API of the service it belongs to, over HTTP, as CloudFormation does. So botocore checks its
properties against the model of that API, and one that is misspelt or of the wrong type fails the deployment.

Prints its port and a temporary folder as soon as it listens, and is told on its input which process groups are at work
with it: "+123" when one starts, "-123" when it is over. When the input ends, however its parent did, it ends those that
are left, the folder and itself: nothing is left over.
"""

import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# For the calls the resources make: no profile, no account and no endpoint of the user is to be found.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(
    AWS_ACCESS_KEY_ID="emulator",
    AWS_SECRET_ACCESS_KEY="emulator",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
)

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from moto.cloudformation import parsing as _  # Has moto's own models: of two for a type, the later one counts.
from moto.cloudformation.exceptions import ValidationError
from moto.core.common_models import CloudFormationModel
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

Properties = dict[str, Any]

endpoint = ""


class Resource:
    """What CloudFormation does with a resource of one type. Ref gives the id, Fn::GetAtt one of the attributes."""

    service: str
    name_property = ""

    def __init__(self, name: str, region: str) -> None:
        self.client = boto3.client(self.service, region_name=region, endpoint_url=endpoint)
        self.name = name
        self.id = name
        self.attributes: dict[str, str] = {}

    def create(self, properties: Properties) -> None:
        raise NotImplementedError

    def update(self, old: Properties, new: Properties) -> None:
        """Replaces it, unless the type knows better."""
        self.delete(old)
        self.create(new)

    def delete(self, properties: Properties) -> None:
        raise NotImplementedError


class Alarm(Resource):
    service = "cloudwatch"
    name_property = "AlarmName"

    def create(self, properties: Properties) -> None:
        # Newer than the client of the service; the template is checked for it.
        properties.pop("EvaluationWindow", None)
        self.client.put_metric_alarm(**{**properties, "AlarmName": self.name})
        described = self.client.describe_alarms(AlarmNames=[self.name])
        self.attributes = {"Arn": described["MetricAlarms"][0]["AlarmArn"]}

    def update(self, old: Properties, new: Properties) -> None:
        self.create(new)

    def delete(self, properties: Properties) -> None:
        self.client.delete_alarms(AlarmNames=[self.name])


class Dashboard(Resource):
    """moto's own gets another name with each update."""

    service = "cloudwatch"
    name_property = "DashboardName"

    def create(self, properties: Properties) -> None:
        self.client.put_dashboard(**{**properties, "DashboardName": self.name})

    def update(self, old: Properties, new: Properties) -> None:
        self.create(new)

    def delete(self, properties: Properties) -> None:
        self.client.delete_dashboards(DashboardNames=[self.name])


class Schedule(Resource):
    service = "scheduler"
    name_property = "Name"

    def create(self, properties: Properties) -> None:
        created = self.client.create_schedule(**{**properties, "Name": self.name})
        self.attributes = {"Arn": created["ScheduleArn"]}

    def update(self, old: Properties, new: Properties) -> None:
        self.client.update_schedule(**{**new, "Name": self.name})

    def delete(self, properties: Properties) -> None:
        self.client.delete_schedule(Name=self.name)


class EventInvokeConfig(Resource):
    service = "lambda"

    def create(self, properties: Properties) -> None:
        self.client.put_function_event_invoke_config(**properties)

    def delete(self, properties: Properties) -> None:
        self.client.delete_function_event_invoke_config(
            FunctionName=properties["FunctionName"], Qualifier=properties["Qualifier"]
        )


class TopicPolicy(Resource):
    service = "sns"

    def create(self, properties: Properties) -> None:
        for topic in properties["Topics"]:
            self.client.set_topic_attributes(
                TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(properties["PolicyDocument"])
            )

    def update(self, old: Properties, new: Properties) -> None:
        self.create(new)

    def delete(self, properties: Properties) -> None:
        """Goes with the topic."""


class Subscription(Resource):
    service = "sns"

    def create(self, properties: Properties) -> None:
        self.id = self.client.subscribe(**properties, ReturnSubscriptionArn=True)["SubscriptionArn"]

    def delete(self, properties: Properties) -> None:
        self.client.unsubscribe(SubscriptionArn=self.id)


class QueuePolicy(Resource):
    service = "sqs"

    def create(self, properties: Properties) -> None:
        for queue in properties["Queues"]:
            self.client.set_queue_attributes(
                QueueUrl=queue, Attributes={"Policy": json.dumps(properties["PolicyDocument"])}
            )

    def update(self, old: Properties, new: Properties) -> None:
        self.create(new)

    def delete(self, properties: Properties) -> None:
        """Goes with the queue."""


def permission(rule: Properties, peer: str) -> Properties:
    """A rule as CloudFormation has it, in the words of the API; `peer` is the property with the other group."""
    described = {"Description": rule["Description"]} if "Description" in rule else {}
    peers = {
        "CidrIp": ("IpRanges", "CidrIp"),
        "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        peer: ("UserIdGroupPairs", "GroupId"),
    }
    return {
        **{name: rule[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in rule},
        **{
            ranges: [{member: rule[name], **described}]
            for name, (ranges, member) in peers.items()
            if name in rule
        },
    }


class SecurityGroupEgress(Resource):
    service = "ec2"

    def rule(self, properties: Properties) -> Properties:
        return {
            "GroupId": properties["GroupId"],
            "IpPermissions": [permission(properties, "DestinationSecurityGroupId")],
        }

    def create(self, properties: Properties) -> None:
        self.client.authorize_security_group_egress(**self.rule(properties))

    def delete(self, properties: Properties) -> None:
        self.client.revoke_security_group_egress(**self.rule(properties))


class SecurityGroupIngress(Resource):
    """moto's own stays when the stack goes."""

    service = "ec2"

    def rule(self, properties: Properties) -> Properties:
        return {
            "GroupId": properties["GroupId"],
            "IpPermissions": [permission(properties, "SourceSecurityGroupId")],
        }

    def create(self, properties: Properties) -> None:
        self.client.authorize_security_group_ingress(**self.rule(properties))

    def delete(self, properties: Properties) -> None:
        self.client.revoke_security_group_ingress(**self.rule(properties))


class SecurityGroup(Resource):
    """moto's own ignores its rules for what goes out, and lets everything out."""

    service = "ec2"
    name_property = "GroupName"

    def create(self, properties: Properties) -> None:
        self.id = self.client.create_security_group(
            GroupName=self.name, Description=properties["GroupDescription"], VpcId=properties["VpcId"]
        )["GroupId"]
        self.attributes = {"GroupId": self.id, "VpcId": properties["VpcId"]}
        egress = [permission(rule, "DestinationSecurityGroupId") for rule in properties["SecurityGroupEgress"]]
        self.client.revoke_security_group_egress(
            GroupId=self.id,
            IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        )
        self.client.authorize_security_group_egress(GroupId=self.id, IpPermissions=egress)

    def delete(self, properties: Properties) -> None:
        """Waits for its turn, as in AWS: while another group has a rule about this one, it stays."""
        about_this = [{"Name": "ip-permission.group-id", "Values": [self.id]}]
        if self.client.describe_security_groups(Filters=about_this)["SecurityGroups"]:
            raise RuntimeError(f"DependencyViolation: {self.id}")
        self.client.delete_security_group(GroupId=self.id)


class Ignored(Resource):
    """What means nothing here: which constructs a template was made from.

    And the policy of the bucket for assets: moto would keep to it and let nobody in without TLS, as everybody comes here.
    """

    service = "cloudformation"

    def create(self, properties: Properties) -> None:
        pass

    def update(self, old: Properties, new: Properties) -> None:
        pass

    def delete(self, properties: Properties) -> None:
        pass


ADDED: dict[str, type[Resource]] = {
    "AWS::CDK::Metadata": Ignored,
    "AWS::CloudWatch::Alarm": Alarm,
    "AWS::CloudWatch::Dashboard": Dashboard,
    "AWS::EC2::SecurityGroup": SecurityGroup,
    "AWS::EC2::SecurityGroupEgress": SecurityGroupEgress,
    "AWS::EC2::SecurityGroupIngress": SecurityGroupIngress,
    "AWS::Lambda::EventInvokeConfig": EventInvokeConfig,
    "AWS::S3::BucketPolicy": Ignored,
    "AWS::Scheduler::Schedule": Schedule,
    "AWS::SNS::Subscription": Subscription,
    "AWS::SNS::TopicPolicy": TopicPolicy,
    "AWS::SQS::QueuePolicy": QueuePolicy,
}


def is_gone(error: ClientError) -> bool:
    """moto deletes in any order: what belonged to something may have gone with it."""
    code = error.response["Error"]["Code"]
    return "NotFound" in code or "NonExistent" in code or "NoSuch" in code


@contextmanager
def refusals_told(cfn_type: str) -> Iterator[None]:
    """A refused call fails the deployment with what was wrong with it, and is not tried again."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise ValidationError(message=f"{cfn_type}: {error}") from error


def model_of(cfn_type: str, kind: type[Resource]) -> type[CloudFormationModel]:
    """What moto finds among the direct subclasses of CloudFormationModel, as long as somebody refers to it."""

    class Model(CloudFormationModel):
        # moto takes the service from the second part.
        __module__ = "emulator.added.models"

        def __init__(self, resource: Resource, properties: Properties) -> None:
            self.resource = resource
            self.properties = properties

        @staticmethod
        def cloudformation_type() -> str:
            return cfn_type

        @staticmethod
        def cloudformation_name_type() -> str:
            return kind.name_property

        @property
        def physical_resource_id(self) -> str:
            return self.resource.id

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return True

        def get_cfn_attribute(self, attribute: str) -> str:
            return self.resource.attributes[attribute]

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
        ) -> "Model":
            properties = cloudformation_json["Properties"]
            resource = kind(properties.get(kind.name_property, resource_name), region_name)
            with refusals_told(cfn_type):
                resource.create(properties)
            return cls(resource, properties)

        @classmethod
        def update_from_cloudformation_json(
            cls,
            original_resource: "Model",
            new_resource_name: str,
            cloudformation_json: Any,
            account_id: str,
            region_name: str,
        ) -> "Model":
            properties = cloudformation_json["Properties"]
            with refusals_told(cfn_type):
                original_resource.resource.update(original_resource.properties, properties)
            return cls(original_resource.resource, properties)

        def delete(self, account_id: str, region_name: str) -> None:
            """moto prefers this to delete_from_cloudformation_json, which is given the properties unresolved."""
            try:
                self.resource.delete(self.properties)
            except ClientError as error:
                if not is_gone(error):
                    raise

        def is_created(self) -> bool:
            return True

    return Model


MODELS = [model_of(cfn_type, kind) for cfn_type, kind in ADDED.items()]


class Quiet(MotoRequestHandler):
    def log_request(self, *_: Any) -> None:
        pass


def end_with_input(folder: str) -> None:
    at_work: set[int] = set()
    for line in sys.stdin:
        (at_work.add if line[0] == "+" else at_work.discard)(int(line[1:]))
    for group in at_work:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    for _ in range(10):
        # Again, should one that is dying have written in between.
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def main() -> None:
    global endpoint
    logging.basicConfig(level=logging.WARNING)
    # A type that neither moto nor this file knows.
    warnings.filterwarnings("error", message="Tried to parse")
    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True, request_handler=Quiet
    )
    endpoint = f"http://127.0.0.1:{server.server_port}"
    folder = tempfile.mkdtemp(prefix="partition-keeper-deploy-")
    threading.Thread(target=end_with_input, args=[folder], daemon=True).start()
    print(json.dumps({"endpoint": endpoint, "folder": folder}), flush=True)
    server.serve_forever()


main()
